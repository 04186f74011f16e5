// What the pages do beyond showing themselves: an explorer's slider, folds that open for a link, the search.

function explorers() {
  for (const box of document.querySelectorAll(".explorer")) {
    const frames = [...box.querySelectorAll(".frames > li")];
    const slider = document.createElement("input");
    Object.assign(slider, { type: "range", min: 0, max: frames.length - 1, value: 0 });
    slider.setAttribute("aria-label", box.dataset.label);
    const show = () => {
      frames.forEach((frame, number) => {
        frame.hidden = number !== Number(slider.value);
        if (!frame.hidden) frame.querySelector("img").loading = "eager";
      });
      slider.setAttribute("aria-valuetext", frames[slider.value].querySelector("figcaption").textContent);
    };
    slider.addEventListener("input", show);
    slider.addEventListener("pointerdown", () => frames.forEach((frame) => (frame.querySelector("img").loading = "eager")), { once: true });
    box.classList.add("alive");
    box.querySelector(".frames").removeAttribute("tabindex");
    box.prepend(slider);
    show();
  }
}

// A link may lead into something folded, and past what is not laid out, or not as high as it will be.
function unfold() {
  const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  for (let fold = target && target.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
  if (!target) return;
  document.documentElement.classList.remove("from-top");
  target.scrollIntoView({ behavior: "instant" });
}

async function search(box) {
  const words = JSON.parse(box.dataset.words);
  const query = (new URLSearchParams(location.search).get("q") || "").trim();
  for (const field of document.querySelectorAll("input[name=q]")) field.value = query;
  if (!query) return;
  const status = box.appendChild(document.createElement("p"));
  status.setAttribute("role", "status");
  status.textContent = words.wait;
  const top = new URL(box.dataset.top, location.href);
  const pagefind = await import(new URL("pagefind/pagefind.js", top));
  // Pages that have the very phrase come before the others, and of either those first that have its words most often.
  await pagefind.options({ baseUrl: top.pathname, ranking: { termFrequency: 0.3, pageLength: 0 } });
  const [phrase, loose] = await Promise.all([pagefind.search(`"${query.replaceAll('"', "")}"`), pagefind.search(query)]);
  const place = new Map(loose.results.map((result, index) => [result.id, index]));
  const rank = (result) => place.get(result.id) ?? place.size;
  const exact = phrase.results.sort((one, other) => rank(one) - rank(other));
  const first = new Set(exact.map((result) => result.id));
  const results = [...exact, ...loose.results.filter((result) => !first.has(result.id))];
  const said = { 0: words.none, 1: words.one }[results.length] || words.many;
  status.textContent = said.replace("{query}", query).replace("{count}", results.length);
  const list = box.appendChild(document.createElement("ol"));
  const more = box.appendChild(document.createElement("button"));
  more.textContent = words.more;
  let shown = 0;
  const showMore = async () => {
    const next = await Promise.all(results.slice(shown, shown + 8).map((result) => result.data()));
    shown += next.length;
    more.hidden = shown >= results.length;
    for (const page of next) list.append(found(page));
  };
  more.addEventListener("click", showMore);
  await showMore();
}

function found(page) {
  const item = document.createElement("li");
  const places = page.sub_results.slice(0, 3);
  for (const place of places.length ? places : [page]) {
    const title = place === places[0] || !places.length ? page.meta.title : "";
    const link = Object.assign(document.createElement("a"), { href: place.url });
    link.textContent = title && place.title && place.title !== title ? `${title} · ${place.title}` : place.title || title;
    const text = document.createElement("p");
    text.innerHTML = place.excerpt; // Pagefind's own, the words found in <mark>
    item.append(link, text);
  }
  return item;
}

document.body.prepend(...document.querySelectorAll("a.skip-to-content")); // before Furo's switches for the side bars
explorers();
unfold();
addEventListener("load", unfold); // the fonts are there
addEventListener("hashchange", unfold);
const results = document.getElementById("results");
if (results) search(results);
