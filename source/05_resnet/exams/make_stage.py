"""How `make_stage` is examined."""

from torch import nn

from convcraft.exam import aspect, exercise, nets

from .shared import _asked, _stage, _Thin, _Thin2, _Thin4, by_a_loop, by_recursion


@exercise(points=9, reference=_stage)
def make_stage(impl, draw):
    yield aspect("three blocks", "The first block takes the stride and the change of channels; all others keep size "
                 "and channels.",
                 lambda: _asked(impl(_Thin, 4, 6, 3, 2)))
    yield aspect("expansion", "A block gives `channels * block.expansion` channels, and the next one takes them in.",
                 lambda: {"expansion 4": _asked(impl(_Thin4, 8, 3, 3, 2)),
                          "expansion 2": _asked(impl(_Thin2, 5, 3, 2, 1))})
    yield aspect("one block", "A stage may have a single block, and a stride of 1.",
                 lambda: {"one block, stride 2": _asked(impl(_Thin4, 6, 6, 1, 2)),
                          "one block, stride 1": _asked(impl(_Thin, 4, 4, 1, 1)),
                          "two blocks, stride 1": _asked(impl(_Thin, 4, 8, 2, 1))})
    yield aspect("nn.Sequential", "It returns an `nn.Sequential` of as many blocks as asked for, with the keys 0, 1, "
                 "…, each with weights of its own.",
                 lambda: {"an nn.Sequential": isinstance(stage := impl(_Thin, 4, 6, 4, 2), nn.Sequential),
                          "blocks": len(stage), "different blocks": len({id(block) for block in stage}),
                          "parameters": nets.shapes(stage)})
    yield aspect("values", "Called with a batch, the stage applies its blocks one after the other.",
                 lambda: [_filled(draw, impl(_Thin4, 3, 2, 3, 2))(draw.normal(2, 3, 7, 8)),
                          _filled(draw, impl(_Thin, 4, 6, 2, 1))(draw.normal(2, 4, 3, 5))])


def _filled(draw, stage):
    """Filled block by block, whatever the blocks' keys are: the keys are one aspect's matter."""
    draw.fill_(nn.ModuleList(stage))
    return stage


@make_stage.misconception("Every block carries the stride. The picture then shrinks once a block; a stage shrinks it "
                          "once.")
def strides_every_block(block, in_channels, channels, blocks, stride):
    stage = []
    for _ in range(blocks):
        stage.append(block(in_channels, channels, stride))
        in_channels = channels * block.expansion
    return nn.Sequential(*stage)


@make_stage.misconception("The last block carries the stride. The blocks before it then work on pictures that are "
                          "four times as large; stride the first one.")
def strides_the_last_block(block, in_channels, channels, blocks, stride):
    stage = []
    for index in range(blocks):
        stage.append(block(in_channels, channels, stride if index == blocks - 1 else 1))
        in_channels = channels * block.expansion
    return nn.Sequential(*stage)


@make_stage.misconception("No block carries the stride: the stage leaves the picture as large as it was.")
def strides_nothing(block, in_channels, channels, blocks, stride):
    return _stage(block, in_channels, channels, blocks, 1)


@make_stage.misconception("The blocks after the first were told to take `channels` in. With a Bottleneck four times "
                          "as many come out of the block before: `channels * block.expansion`.")
def forgets_the_expansion(block, in_channels, channels, blocks, stride):
    return nn.Sequential(block(in_channels, channels, stride),
                         *(block(channels, channels, 1) for _ in range(blocks - 1)))


@make_stage.misconception("The expansion is written into the code as 4. It is the block's own number: read "
                          "`block.expansion`.")
def expands_by_four(block, in_channels, channels, blocks, stride):
    return nn.Sequential(block(in_channels, channels, stride),
                         *(block(channels * 4, channels, 1) for _ in range(blocks - 1)))


@make_stage.misconception("Every block was told to take `in_channels` in. That is true of the first alone; the others "
                          "take what the block before gives.")
def keeps_the_input_channels(block, in_channels, channels, blocks, stride):
    return nn.Sequential(*(block(in_channels, channels, 1 if index else stride) for index in range(blocks)))


@make_stage.misconception("One block is made and used again and again. They then share their weights: a stage of four "
                          "blocks learns no more than a stage of two. Make a new block each time.")
def repeats_one_block(block, in_channels, channels, blocks, stride):
    first = block(in_channels, channels, stride)
    if blocks == 1:
        return nn.Sequential(first)
    return nn.Sequential(first, *[block(channels * block.expansion, channels, 1)] * (blocks - 1))


@make_stage.misconception("There is one block too many: the first one counts among `blocks`.")
def counts_the_first_extra(block, in_channels, channels, blocks, stride):
    return _stage(block, in_channels, channels, blocks + 1, stride)


@make_stage.misconception("The blocks come in a Python list. It cannot be called, and a module that keeps it does not "
                          "find their parameters. Put them into an `nn.Sequential`.")
def gives_a_list(block, in_channels, channels, blocks, stride):
    return list(_stage(block, in_channels, channels, blocks, stride))


@make_stage.misconception("The blocks come in an `nn.ModuleList`. It holds parameters but cannot be called; "
                          "`nn.Sequential` is the one that runs its modules in order.")
def gives_a_module_list(block, in_channels, channels, blocks, stride):
    return nn.ModuleList(_stage(block, in_channels, channels, blocks, stride))


@make_stage.misconception("`channels` was multiplied by the expansion before it went to the block. The block "
                          "multiplies it itself: pass `channels` as it is.")
def expands_twice(block, in_channels, channels, blocks, stride):
    return _stage(block, in_channels, channels * block.expansion, blocks, stride)


@make_stage.misconception("The blocks after the first are in an `nn.Sequential` of their own. Their names are `1.0`, "
                          "`1.1` in place of `1`, `2`, and trained weights do not load: unpack them with a star.")
def nests_the_rest(block, in_channels, channels, blocks, stride):
    first, *rest = _stage(block, in_channels, channels, blocks, stride)
    return nn.Sequential(first, nn.Sequential(*rest)) if rest else nn.Sequential(first)


@make_stage.misconception("The whole list was given to `nn.Sequential` as one thing. It takes modules, one by one: a "
                          "star before the list unpacks it.")
def forgets_the_star(block, in_channels, channels, blocks, stride):
    return nn.Sequential(list(_stage(block, in_channels, channels, blocks, stride)))


@make_stage.misconception("The blocks have names of their own. Trained weights are stored under the keys 0, 1, …, as "
                          "an `nn.Sequential` numbers what it is given.")
def names_the_blocks(block, in_channels, channels, blocks, stride):
    stage = nn.Sequential()
    for index, one in enumerate(_stage(block, in_channels, channels, blocks, stride)):
        stage.add_module(f"block{index}", one)
    return stage


@make_stage.misconception("The block was called with names for its first two numbers. `ResBlock` and `Bottleneck` "
                          "call their second one differently: pass them by position.")
def passes_by_keyword(block, in_channels, channels, blocks, stride):
    return nn.Sequential(*(block(in_channels=channels * block.expansion if index else in_channels, channels=channels,
                                 stride=1 if index else stride) for index in range(blocks)))


@make_stage.misconception("There are always two blocks at least. With `blocks` of 1 the first is also the last.")
def makes_two_at_least(block, in_channels, channels, blocks, stride):
    return _stage(block, in_channels, channels, max(blocks, 2), stride)


@make_stage.misconception("The first block's stride is written into the code as 2. It is an argument: `layer1` of a "
                          "ResNet has a stride of 1.")
def strides_always_by_two(block, in_channels, channels, blocks, stride):
    return _stage(block, in_channels, channels, blocks, 2)


@make_stage.misconception("The first block was given `channels * block.expansion` for `channels`. It multiplies them "
                          "itself: pass `channels` as it is, to the first block as to all others.")
def widens_the_first_block(block, in_channels, channels, blocks, stride):
    given = channels * block.expansion
    return nn.Sequential(block(in_channels, given, stride), *(block(given, channels, 1) for _ in range(blocks - 1)))


@make_stage.misconception("The first block was told to take in `in_channels * block.expansion`. `in_channels` is what "
                          "arrives at the stage: pass it as it is.")
def expands_what_comes_in(block, in_channels, channels, blocks, stride):
    return _stage(block, in_channels * block.expansion, channels, blocks, stride)


@make_stage.misconception("There is one block too few: the first one and `blocks - 1` others make `blocks`.")
def makes_one_too_few(block, in_channels, channels, blocks, stride):
    return _stage(block, in_channels, channels, max(blocks - 1, 1), stride)


@make_stage.misconception("There are always two blocks. `blocks` says how many: the first one and `blocks - 1` others.")
def makes_always_two(block, in_channels, channels, blocks, stride):
    return _stage(block, in_channels, channels, 2, stride)


@make_stage.misconception("`in_channels` and `channels` changed places on the way to the block.")
def exchanges_the_channels(block, in_channels, channels, blocks, stride):
    return _stage(block, channels, in_channels, blocks, stride)


@make_stage.misconception("All blocks but the first carry the stride. It is the other way round: the first one alone.")
def strides_all_but_the_first(block, in_channels, channels, blocks, stride):
    given = channels * block.expansion
    return nn.Sequential(block(in_channels, channels, 1), *(block(given, channels, stride) for _ in range(blocks - 1)))


@make_stage.misconception("The later blocks were told to take in `in_channels * block.expansion`. They take in what "
                          "the block before gives, and that comes of `channels`.")
def expands_the_wrong_number(block, in_channels, channels, blocks, stride):
    later = (block(in_channels * block.expansion, channels, 1) for _ in range(blocks - 1))
    return nn.Sequential(block(in_channels, channels, stride), *later)


make_stage.alternative(by_a_loop)


@make_stage.misconception("The blocks after the first were given `channels * block.expansion` for `channels`. That is "
                          "what they take in; their width stays `channels`, and they multiply it themselves.")
def widens_the_later_blocks(block, in_channels, channels, blocks, stride):
    given = channels * block.expansion
    return nn.Sequential(block(in_channels, channels, stride), *(block(given, given, 1) for _ in range(blocks - 1)))


@make_stage.alternative
def by_lists_of_arguments(block, in_channels, channels, blocks, stride):
    widths = [in_channels] + [channels * block.expansion] * (blocks - 1)
    strides = [stride] + [1] * (blocks - 1)
    return nn.Sequential(*map(block, widths, [channels] * blocks, strides))


make_stage.alternative(by_recursion)
