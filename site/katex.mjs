// Reads {formula, display} a line, writes {html} or {error} a line.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { resolve } from "node:path";

const katex = createRequire(resolve(process.argv[2], "katex/package.json"))("katex");
for await (const line of createInterface({ input: process.stdin })) {
  const { formula, display } = JSON.parse(line);
  let answer;
  try {
    answer = { html: katex.renderToString(formula, { displayMode: display, strict: false }) };
  } catch (error) {
    answer = { error: String(error.message) };
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
}
