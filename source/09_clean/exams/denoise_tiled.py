"""How `denoise_tiled` is examined."""

import torch
import torch.nn.functional as F

from convcraft.exam import aspect, exercise

from .shared import _each_pixel, _Net


def _run(net, piece):
    with torch.no_grad():
        return net(piece[None])[0]


def _tiled(net, image, tile, overlap):
    height, width = image.shape[-2:]
    out = torch.empty_like(image)
    for top in range(0, height, tile):
        for left in range(0, width, tile):
            above, before = max(top - overlap, 0), max(left - overlap, 0)
            clean = _run(net, image[:, above:top + tile + overlap, before:left + tile + overlap])
            out[:, top:top + tile, left:left + tile] = clean[:, top - above:top - above + tile,
                                                             left - before:left - before + tile]
    return out


def _around(x):
    """A net that looks two pixels far, in each direction another way, and pads with zeros."""
    kernel = torch.arange(1.0, 10.0).reshape(1, 1, 3, 3).to(x.dtype) / 20
    for _ in range(2):
        x = F.conv2d(x.flatten(0, 1)[:, None], kernel, padding=1).reshape(x.shape)
    return x


def _off_mean(x):
    """A net that looks at all it is given: its result tells which piece a pixel was in."""
    return x - x.mean((-2, -1), keepdim=True)


@exercise(points=16, reference=_tiled)
def denoise_tiled(impl, draw):
    def net(function):
        return _Net(function).eval()

    def result(function, tile, overlap, *shape):
        return impl(net(function), draw.normal(*shape), tile, overlap)

    def smaller():
        seen, smallest = {}, []
        for height, width, tile in ((5, 7, 3), (4, 6, 8)):
            own = net(_each_pixel)
            seen[f"{height} × {width}, tiles of {tile}"] = impl(own, draw.normal(2, height, width), tile, 0)
            smallest.append([min((x.shape[axis] for x in own.given), default=0) for axis in (-2, -1)])
        return seen | {"smallest pieces": smallest}

    def no_seams():
        image = draw.normal(1, 12, 16)
        return impl(net(_around), image, 4, 2)

    def pieces():
        own, image = net(_each_pixel), draw.normal(1, 12, 16)
        out = impl(own, image, 4, 2)
        sizes = [shape for x in own.given for shape in [tuple(x.shape[-2:])] * len(x)]
        return {"result": out, "pieces": len(sizes), "highest": max(height for height, _ in sizes),
                "widest": max(width for _, width in sizes)}

    def left_alone():
        kept = draw.normal(1, 8, 8).double()
        return [impl(net(_each_pixel).double(), kept, 4, 2), kept, impl(net(_each_pixel), kept.float(), 4, 2)]

    yield aspect("tiles", "The picture is laid out in tiles of `tile` × `tile` pixels from the upper left corner, and "
                 "each is cleaned by itself.", lambda: result(_off_mean, 4, 0, 1, 8, 12))
    yield aspect("overlap", "The net is given each tile with `overlap` pixels more on every side, as far as the "
                 "picture reaches; of what it gives, the tile alone is kept.",
                 lambda: result(_off_mean, 4, 2, 1, 12, 16), weight=2)
    yield aspect("no seams", "Where `overlap` is at least as far as the net looks, the result is that of the whole "
                 "picture: no seams.", no_seams, weight=2)
    yield aspect("any size", "H and W need not be multiples of `tile`: the last tiles are smaller.", smaller)
    yield aspect("small pieces", "No piece that the net is given is larger than `tile` + 2 · `overlap` on a "
                 "side.", pieces)
    yield aspect("left alone", "`denoise_tiled` leaves the picture as it was.", left_alone, dtype=True)


@denoise_tiled.misconception("`overlap` plays no part: each tile is cleaned without its neighbourhood, and the seams "
                             "stay, however large it is.")
def forgets_the_overlap(net, image, tile, overlap):
    return _tiled(net, image, tile, 0)


@denoise_tiled.misconception("The net is given the neighbours on the right and below, but not those on the left and "
                             "above: each tile needs `overlap` pixels on all four sides.")
def looks_right_and_down(net, image, tile, overlap):
    out = torch.empty_like(image)
    for top in range(0, image.shape[-2], tile):
        for left in range(0, image.shape[-1], tile):
            clean = _run(net, image[:, top:top + tile + overlap, left:left + tile + overlap])
            out[:, top:top + tile, left:left + tile] = clean[:, :tile, :tile]
    return out


@denoise_tiled.misconception("The net is given the neighbours on the left and above, but not those on the right and "
                             "below: each tile needs `overlap` pixels on all four sides.")
def looks_left_and_up(net, image, tile, overlap):
    out = torch.empty_like(image)
    for top in range(0, image.shape[-2], tile):
        for left in range(0, image.shape[-1], tile):
            above, before = max(top - overlap, 0), max(left - overlap, 0)
            clean = _run(net, image[:, above:top + tile, before:left + tile])
            out[:, top:top + tile, left:left + tile] = clean[:, top - above:, left - before:]
    return out


@denoise_tiled.misconception("The tile was cut from the wrong place of what the net gave: always `overlap` pixels from "
                             "its border. At the picture's upper and left border nothing was added; start at 0 there.")
def cuts_always_at_the_overlap(net, image, tile, overlap):
    out = torch.zeros_like(image)
    for top in range(0, image.shape[-2], tile):
        for left in range(0, image.shape[-1], tile):
            above, before = max(top - overlap, 0), max(left - overlap, 0)
            clean = _run(net, image[:, above:top + tile + overlap, before:left + tile + overlap])
            kept = clean[:, overlap:overlap + tile, overlap:overlap + tile]
            out[:, top:top + kept.shape[-2], left:left + kept.shape[-1]] = kept
    return out


@denoise_tiled.misconception("The whole of each cleaned piece was written, its overlap, too: the later piece wins over "
                             "the tile before it, with pixels from its own border. Write the tile alone.")
def writes_the_overlap_too(net, image, tile, overlap):
    out = torch.empty_like(image)
    for top in range(0, image.shape[-2], tile):
        for left in range(0, image.shape[-1], tile):
            above, before = max(top - overlap, 0), max(left - overlap, 0)
            piece = image[:, above:top + tile + overlap, before:left + tile + overlap]
            out[:, above:top + tile + overlap, before:left + tile + overlap] = _run(net, piece)
    return out


@denoise_tiled.misconception("Only half of `overlap` was added on each side. Each side gets all of it.")
def halves_the_overlap(net, image, tile, overlap):
    return _tiled(net, image, tile, overlap // 2)


@denoise_tiled.misconception("Twice `overlap` was added on each side: the pieces are larger than tile + 2 · overlap.")
def doubles_the_overlap(net, image, tile, overlap):
    return _tiled(net, image, tile, 2 * overlap)


@denoise_tiled.misconception("One pixel more than `overlap` was added on each side.")
def adds_one_to_the_overlap(net, image, tile, overlap):
    return _tiled(net, image, tile, overlap + 1)


@denoise_tiled.misconception("The picture was cut into strips as wide as itself, not into tiles: a wide picture still "
                             "needs all the memory. Cut the width, too.")
def cuts_strips(net, image, tile, overlap):
    strips = []
    for top in range(0, image.shape[-2], tile):
        above = max(top - overlap, 0)
        strips.append(_run(net, image[:, above:top + tile + overlap])[:, top - above:top - above + tile])
    return torch.cat(strips, 1)


@denoise_tiled.misconception("The tiles overlap above and below alone: on the left and on the right nothing was added. "
                             "All four sides get `overlap`.")
def overlaps_up_and_down(net, image, tile, overlap):
    out = torch.empty_like(image)
    for top in range(0, image.shape[-2], tile):
        for left in range(0, image.shape[-1], tile):
            above = max(top - overlap, 0)
            clean = _run(net, image[:, above:top + tile + overlap, left:left + tile])
            out[:, top:top + tile, left:left + tile] = clean[:, top - above:top - above + tile]
    return out


@denoise_tiled.misconception("The picture was enlarged to a multiple of `tile` first: the last pieces have pixels that "
                             "are not there. The last tiles are smaller.", literal=True)
def enlarges_to_a_multiple(net, image, tile, overlap):
    height, width = image.shape[-2:]
    larger = F.pad(image[None], (0, -width % tile, 0, -height % tile), mode="replicate")[0]
    return _tiled(net, larger, tile, overlap)[:, :height, :width]


@denoise_tiled.misconception("Where pieces overlap, the mean of them was taken. That makes seams soft, not right: a "
                             "pixel near a piece's border lacks neighbours. Keep each tile's middle alone.")
def averages_the_overlap(net, image, tile, overlap):
    total, count = torch.zeros_like(image), torch.zeros_like(image)
    for top in range(0, image.shape[-2], tile):
        for left in range(0, image.shape[-1], tile):
            above, before = max(top - overlap, 0), max(left - overlap, 0)
            place = slice(None), slice(above, top + tile + overlap), slice(before, left + tile + overlap)
            total[place] += _run(net, image[place])
            count[place] += 1
    return total / count


@denoise_tiled.misconception("The picture was framed first, by reflection. At its border the net then sees pixels that "
                             "are not there, and the result is not that of the whole picture: go only as far as it "
                             "reaches.")
def frames_the_picture(net, image, tile, overlap):
    height, width = image.shape[-2:]
    framed = F.pad(image[None], (overlap,) * 4, mode="reflect")[0] if overlap else image
    out = torch.empty_like(image)
    for top in range(0, height, tile):
        for left in range(0, width, tile):
            piece = framed[:, top:top + tile + 2 * overlap, left:left + tile + 2 * overlap]
            rows, columns = min(tile, height - top), min(tile, width - left)
            out[:, top:top + tile, left:left + tile] = _run(net, piece)[:, overlap:overlap + rows,
                                                                        overlap:overlap + columns]
    return out


@denoise_tiled.misconception("The picture was framed with zeros first. A net takes them for a black bar: go only as "
                             "far as the picture reaches.")
def frames_with_zeros(net, image, tile, overlap):
    height, width = image.shape[-2:]
    framed = F.pad(image, (overlap,) * 4)
    out = torch.empty_like(image)
    for top in range(0, height, tile):
        for left in range(0, width, tile):
            piece = framed[:, top:top + tile + 2 * overlap, left:left + tile + 2 * overlap]
            rows, columns = min(tile, height - top), min(tile, width - left)
            out[:, top:top + tile, left:left + tile] = _run(net, piece)[:, overlap:overlap + rows,
                                                                        overlap:overlap + columns]
    return out


@denoise_tiled.misconception("What is left over on the right and at the bottom was not cleaned: only whole tiles are. "
                             "The last ones are smaller.")
def leaves_the_rest(net, image, tile, overlap):
    out = image.clone()
    for top in range(0, image.shape[-2] - tile + 1, tile):
        for left in range(0, image.shape[-1] - tile + 1, tile):
            above, before = max(top - overlap, 0), max(left - overlap, 0)
            clean = _run(net, image[:, above:top + tile + overlap, before:left + tile + overlap])
            out[:, top:top + tile, left:left + tile] = clean[:, top - above:, left - before:][:, :tile, :tile]
    return out


@denoise_tiled.misconception("The pieces begin `overlap` pixels before the tile, also where the picture begins later: "
                             "a slice from a negative number counts from the end, and is empty. Begin at 0 there.")
def slices_from_negative(net, image, tile, overlap):
    out = torch.empty_like(image)
    for top in range(0, image.shape[-2], tile):
        for left in range(0, image.shape[-1], tile):
            above, before = top - overlap, left - overlap
            clean = _run(net, image[:, above:top + tile + overlap, before:left + tile + overlap])
            out[:, top:top + tile, left:left + tile] = clean[:, top - above:top - above + tile,
                                                             left - before:left - before + tile]
    return out


@denoise_tiled.misconception("The pieces were cut from the result while it was written: to the left and above the "
                             "neighbours were clean already. Cut them from the picture that was given.")
def reads_what_it_has_written(net, image, tile, overlap):
    out = image.clone()
    for top in range(0, image.shape[-2], tile):
        for left in range(0, image.shape[-1], tile):
            above, before = max(top - overlap, 0), max(left - overlap, 0)
            clean = _run(net, out[:, above:top + tile + overlap, before:left + tile + overlap])
            out[:, top:top + tile, left:left + tile] = clean[:, top - above:top - above + tile,
                                                             left - before:left - before + tile]
    return out


@denoise_tiled.misconception("The last tiles are as large as the others: they were pushed back into the picture, over "
                             "what had been cleaned already. They are smaller, what is left over.", literal=True)
def pushes_the_last_tiles_back(net, image, tile, overlap):
    out = torch.empty_like(image)
    height, width = image.shape[-2:]
    for top in (max(min(top, height - tile), 0) for top in range(0, height, tile)):
        for left in (max(min(left, width - tile), 0) for left in range(0, width, tile)):
            above, before = max(top - overlap, 0), max(left - overlap, 0)
            clean = _run(net, image[:, above:top + tile + overlap, before:left + tile + overlap])
            out[:, top:top + tile, left:left + tile] = clean[:, top - above:top - above + tile,
                                                             left - before:left - before + tile]
    return out


@denoise_tiled.misconception("The net was given the whole picture at once: that is what does not fit into memory.")
def gives_the_whole(net, image, tile, overlap):
    return _run(net, image)


@denoise_tiled.misconception("The whole picture goes through the net again for every tile. The result is right and "
                             "nothing is gained: cut the piece out before the net, not after it.")
def gives_the_whole_for_each_tile(net, image, tile, overlap):
    out = torch.empty_like(image)
    for top in range(0, image.shape[-2], tile):
        for left in range(0, image.shape[-1], tile):
            out[:, top:top + tile, left:left + tile] = _run(net, image)[:, top:top + tile, left:left + tile]
    return out


@denoise_tiled.misconception("`tile` was taken for the whole piece: what is kept of it is `overlap` smaller on each "
                             "side. Here `tile` is what is kept, and the overlap is added to it.")
def counts_the_overlap_in(net, image, tile, overlap):
    return _tiled(net, image, tile - 2 * overlap, overlap) if tile > 2 * overlap else _tiled(net, image, 1, overlap)


@denoise_tiled.misconception("Rows and columns were exchanged: tiles lie as if the height were the width.")
def exchanges_height_and_width(net, image, tile, overlap):
    width, height = image.shape[-2:]
    out = torch.zeros_like(image)
    for top in range(0, height, tile):
        for left in range(0, width, tile):
            above, before = max(top - overlap, 0), max(left - overlap, 0)
            piece = image[:, above:top + tile + overlap, before:left + tile + overlap]
            if piece.numel():
                clean = _run(net, piece)
                out[:, top:top + tile, left:left + tile] = clean[:, top - above:, left - before:][:, :tile, :tile]
    return out


@denoise_tiled.misconception("The picture itself was changed: cleaned tiles were written into it, and the next tile's "
                             "neighbourhood was clean already. Write into a new tensor.")
def writes_into_the_picture(net, image, tile, overlap):
    height, width = image.shape[-2:]
    for top in range(0, height, tile):
        for left in range(0, width, tile):
            above, before = max(top - overlap, 0), max(left - overlap, 0)
            clean = _run(net, image[:, above:top + tile + overlap, before:left + tile + overlap])
            image[:, top:top + tile, left:left + tile] = clean[:, top - above:, left - before:][:, :tile, :tile]
    return image


@denoise_tiled.alternative
def by_rows_of_tiles(net, image, tile, overlap):
    def cleaned(top, left):
        bottom, right = min(top + tile, image.shape[1]), min(left + tile, image.shape[2])
        upper, lower = max(0, top - overlap), min(image.shape[1], bottom + overlap)
        first, last = max(0, left - overlap), min(image.shape[2], right + overlap)
        piece = image[:, upper:lower, first:last].clone().unsqueeze(0)
        with torch.inference_mode():
            clean = net(piece).squeeze(0).clone()
        return clean[:, top - upper:bottom - upper, left - first:right - first]

    rows = [torch.cat([cleaned(top, left) for left in range(0, image.shape[2], tile)], dim=2)
            for top in range(0, image.shape[1], tile)]
    return torch.cat(rows, dim=1)


@denoise_tiled.alternative
def by_a_mask(net, image, tile, overlap):
    out = torch.zeros_like(image)
    height, width = image.shape[1:]
    for number in range(-(-height // tile) * -(-width // tile)):
        down, across = divmod(number, -(-width // tile))
        rows = torch.arange(max(down * tile - overlap, 0), min((down + 1) * tile + overlap, height))
        columns = torch.arange(max(across * tile - overlap, 0), min((across + 1) * tile + overlap, width))
        clean = _run(net, image[:, rows][:, :, columns])
        mine = (rows // tile == down)[:, None] & (columns // tile == across)
        out[:, rows[:, None], columns] = torch.where(mine, clean, out[:, rows[:, None], columns])
    return out


@denoise_tiled.alternative
def by_padding_with_nothing(net, image, tile, overlap):
    channels, height, width = image.shape
    out = image.new_zeros(channels, height, width)
    for top in reversed(range(0, height, tile)):
        for left in reversed(range(0, width, tile)):
            place = [slice(max(start - overlap, 0), start + tile + overlap) for start in (top, left)]
            clean = net(image[:, place[0], place[1]][None]).detach()[0]
            down, right = (start - part.start for start, part in zip((top, left), place, strict=True))
            kept = clean[:, down:down + tile, right:right + tile]
            out[:, top:top + kept.shape[1], left:left + kept.shape[2]] = kept
    return out


denoise_tiled.equivalent(
    "above, before = max(top - overlap, 0), max(left - overlap, 0) -> "
    "above, before = max(0, top - overlap), max(left - overlap, 0)",
    "The larger of two whole numbers is the same whichever comes first.")
denoise_tiled.equivalent(
    "above, before = max(top - overlap, 0), max(left - overlap, 0) -> "
    "above, before = max(top - overlap, 0), max(0, left - overlap)",
    "The larger of two whole numbers is the same whichever comes first.")
