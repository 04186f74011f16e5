"""How `compare` is examined."""

import statistics

import numpy as np
import torch

from convcraft.exam import aspect, exercise


def _compared(recipes, seeds):
    seeds, result = list(seeds), {}
    for name, run in recipes.items():
        shares = torch.tensor([_run(run, seed) for seed in seeds], dtype=torch.float64)
        result[name] = shares.mean().item(), shares.std().item() if len(seeds) > 1 else 0.0
    return result


def _run(run, seed):
    torch.manual_seed(seed)
    return run(seed)


def _shares(draw, count):
    return {seed: float(share) for seed, share in enumerate(draw.uniform(count, low=0.6, high=0.99))}


@exercise(points=5, reference=_compared)
def compare(impl, draw):
    def values():
        recipes = {name: _shares(draw, 5).get for name in ("none", "gentle", "mixup")}
        return [{name: [float(number) for number in pair] for name, pair in impl(recipes, seeds).items()}
                for seeds in ([0, 1, 2, 3, 4], [1, 3])]

    def kinds():
        result = impl({"a": _shares(draw, 3).get, "b": _shares(draw, 3).get}, (0, 1, 2))
        return {"order": ", ".join(result), "kinds": [f"{type(pair).__name__} of "
                + ", ".join(type(number).__name__ for number in pair) for pair in result.values()]}

    def once():
        calls = []

        def noting(name):
            def run(seed):
                calls.append(f"{name}{seed}")
                return 0.5 + seed / 100
            return run

        result = impl({"a": noting("a"), "b": noting("b")}, iter([3, 1, 2]))
        return {"calls": " ".join(sorted(calls)), "means": {name: float(pair[0]) for name, pair in result.items()}}

    def repeatable():
        drawn = {name: [0.0, 0.0] for name in ("a", "b", "b alone")}

        def drawing(name):
            def run(seed):
                drawn[name][seed == 7] = torch.rand(()).item()
                return drawn[name][seed == 7]
            return run

        one = impl({"a": drawing("a"), "b": drawing("b")}, [4, 7])
        torch.manual_seed(99)
        other = impl({"b": drawing("b alone")}, [4, 7])
        return {"names": ", ".join([*one, *other]), **drawn}

    def the_same(seen, right):
        return {"names": seen["names"],
                "alone a recipe draws what it draws beside another": seen["b"] == seen["b alone"],
                "seeded anew before each run": _seeded_when(seen["a"], seen["b"], right["a"])}

    def single():
        return [float(number) for number in impl({"a": _shares(draw, 1).get}, [0])["a"]]

    yield aspect("values", "The result has for each name a pair: the mean over the seeds, and the standard deviation, "
                           "with "
                           "n − 1, for these seeds are a sample.", values)
    yield aspect("kinds", "Names stand in the order of `recipes`; each pair is a tuple of two Python floats.", kinds)
    yield aspect("every seed once", "Each recipe is called once with each seed, as `run(seed)`; `seeds` is anything "
                                    "that "
                                    "can be looped over, perhaps only once.", once)
    yield aspect("repeatable", "Before each run `torch.manual_seed(seed)` is called: which recipes stand beside it "
                               "changes "
                               "no result.", repeatable, view=the_same)
    yield aspect("one seed", "With a single seed the spread is 0.0.", single)


def _seeded_when(first, second, right):
    """When torch was given a seed, by what two recipes drew for two seeds; right is what a seed gives."""
    if first == second == right:
        return "yes"
    if first == right:
        return "for the first recipe alone"
    if first[1] == second[1] == right[0]:
        return "with the seed of the run before"
    if first[0] == first[1] == second[0] == second[1]:
        return "always with the same number"
    return "once for each recipe" if first == second else "no"


@compare.misconception("The standard deviation was divided by n. Four seeds are a sample of all seeds: divide by n − "
                       "1, as `std()` does.")
def divides_the_spread_by_n(recipes, seeds):
    seeds = list(seeds)
    shares = {name: np.array([_run(run, seed) for seed in seeds]) for name, run in recipes.items()}
    return {name: (float(values.mean()), float(values.std())) for name, values in shares.items()}


@compare.misconception("The second number is the range, largest minus smallest. It grows with every seed that is "
                       "added: the standard deviation was asked for.")
def gives_the_range(recipes, seeds):
    seeds = list(seeds)
    shares = {name: [_run(run, seed) for seed in seeds] for name, run in recipes.items()}
    return {name: (sum(values) / len(values), max(values) - min(values)) for name, values in shares.items()}


@compare.misconception("The best of the seeds was taken, not the mean. Whoever runs often enough wins then.")
def keeps_the_best(recipes, seeds):
    seeds = list(seeds)
    shares = {name: torch.tensor([_run(run, seed) for seed in seeds], dtype=torch.float64)
              for name, run in recipes.items()}
    return {name: (values.max().item(), values.std().item() if len(seeds) > 1 else 0.0)
            for name, values in shares.items()}


@compare.misconception("The second number is the error of the mean, the deviation divided by √n. It says how well the "
                       "mean is known, not how far runs lie apart.")
def gives_the_error_of_the_mean(recipes, seeds):
    seeds = list(seeds)
    return {name: (mean, spread / len(seeds) ** 0.5) for name, (mean, spread) in _compared(recipes, seeds).items()}


@compare.misconception("`seeds` was looped over once for each recipe. A generator is empty after the first: make a "
                       "list of it first.", literal=True)
def loops_over_seeds_again(recipes, seeds):
    result = {}
    for name, run in recipes.items():
        shares = torch.tensor([_run(run, seed) for seed in seeds], dtype=torch.float64)
        result[name] = shares.mean().item(), shares.std().item() if len(shares) > 1 else 0.0
    return result


@compare.misconception("PyTorch was seeded once, or not at all. Then what a recipe gives depends on what ran before "
                       "it: seed before each run.", literal=True)
def seeds_once(recipes, seeds):
    seeds = list(seeds)
    torch.manual_seed(0)
    shares = {name: torch.tensor([run(seed) for seed in seeds], dtype=torch.float64) for name, run in recipes.items()}
    return {name: (values.mean().item(), values.std().item() if len(seeds) > 1 else 0.0)
            for name, values in shares.items()}


@compare.misconception("PyTorch gets each seed once, and all recipes run after it: the second goes on where the first "
                       "left the numbers. Seed before each run.", literal=True)
def seeds_once_for_all_recipes(recipes, seeds):
    runs = {name: [] for name in recipes}
    for seed in seeds:
        torch.manual_seed(seed)
        for name, run in recipes.items():
            runs[name].append(run(seed))
    return {name: (statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else 0.0)
            for name, values in runs.items()}


@compare.misconception("PyTorch is seeded once for each recipe, not for each run: a run's numbers hang on the runs "
                       "before it. Seed before each run.", literal=True)
def seeds_once_for_a_recipe(recipes, seeds):
    seeds, found = list(seeds), {}
    for name, run in recipes.items():
        torch.manual_seed(seeds[0])
        values = [run(seed) for seed in seeds]
        found[name] = statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else 0.0
    return found


@compare.misconception("PyTorch is seeded before each run, but always with the same number. Then all seeds draw alike: "
                       "seed it with `seed`.", literal=True)
def seeds_with_a_constant(recipes, seeds):
    seeds, found = list(seeds), {}
    for name, run in recipes.items():
        values = []
        for seed in seeds:
            torch.manual_seed(0)
            values.append(run(seed))
        found[name] = statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else 0.0
    return found


@compare.misconception("PyTorch is seeded after each run: a run draws with the seed of the run before it. Seed first, "
                       "then run.", literal=True)
def seeds_after_the_run(recipes, seeds):
    seeds, found = list(seeds), {}
    for name, run in recipes.items():
        values = []
        for seed in seeds:
            values.append(run(seed))
            torch.manual_seed(seed)
        found[name] = statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else 0.0
    return found


@compare.misconception("The two numbers are exchanged: the mean comes first, then the spread.")
def gives_the_spread_first(recipes, seeds):
    return {name: (spread, mean) for name, (mean, spread) in _compared(recipes, seeds).items()}


@compare.misconception("Each recipe was run more than once with a seed, perhaps once for the mean and once for the "
                       "spread. A run is a training: run once and keep what it gave.", literal=True)
def runs_again_for_the_spread(recipes, seeds):
    seeds = list(seeds)
    return {name: (statistics.fmean(_run(run, seed) for seed in seeds),
                   statistics.stdev(_run(run, seed) for seed in seeds) if len(seeds) > 1 else 0.0)
            for name, run in recipes.items()}


@compare.misconception("With one seed the deviation of a single number was asked for, and that is an error. Say 0.0 "
                       "then.", literal=True)
def asks_for_the_spread_of_one(recipes, seeds):
    seeds, found = list(seeds), {}
    for name, run in recipes.items():
        values = [_run(run, seed) for seed in seeds]
        found[name] = statistics.fmean(values), statistics.stdev(values)
    return found


@compare.misconception("Each pair is a list. The task asks for a tuple: `mean, spread`.", literal=True)
def pairs_as_lists(recipes, seeds):
    return {name: list(pair) for name, pair in _compared(recipes, seeds).items()}


@compare.misconception("The two numbers are NumPy's, not Python floats. `float(...)` makes one of each.", literal=True)
def compares_in_numpy(recipes, seeds):
    return {name: tuple(map(np.float64, pair)) for name, pair in _compared(recipes, seeds).items()}


@compare.misconception("The second number is the variance. The standard deviation is its root, and has the unit of the "
                       "accuracies.")
def gives_the_variance(recipes, seeds):
    return {name: (mean, spread ** 2) for name, (mean, spread) in _compared(recipes, seeds).items()}


@compare.misconception("The first number is the median, the accuracy in the middle. The mean was asked for.")
def takes_the_median(recipes, seeds):
    seeds = list(seeds)
    shares = {name: [_run(run, seed) for seed in seeds] for name, run in recipes.items()}
    return {name: (statistics.median(values), statistics.stdev(values) if len(seeds) > 1 else 0.0)
            for name, values in shares.items()}


@compare.misconception("The recipes were run with 0, 1, 2, … and not with the seeds that were given: `enumerate` and "
                       "`range` count places. Loop over the seeds themselves.")
def counts_in_place_of_seeds(recipes, seeds):
    return _compared(recipes, range(len(list(seeds))))


@compare.misconception("The names come in an order of their own. They stand as in `recipes`: a dictionary keeps the "
                       "order in which it was filled.", literal=True)
def sorts_the_names(recipes, seeds):
    return dict(sorted(_compared(recipes, seeds).items(), reverse=True))


@compare.misconception("With one seed the spread is NaN: n − 1 is 0 then. Say 0.0.", literal=True)
def divides_by_nothing(recipes, seeds):
    seeds = list(seeds)
    shares = {name: torch.tensor([_run(run, seed) for seed in seeds], dtype=torch.float64)
              for name, run in recipes.items()}
    return {name: (values.mean().item(), values.std().item()) for name, values in shares.items()}


@compare.misconception("The two numbers are tensors. `.item()` makes a Python float of one.", literal=True)
def compares_as_tensors(recipes, seeds):
    return {name: tuple(map(torch.tensor, pair)) for name, pair in _compared(recipes, seeds).items()}


@compare.alternative
def by_statistics(recipes, seeds):
    runs = {name: [] for name in recipes}
    for seed in seeds:
        for name, run in recipes.items():
            torch.manual_seed(seed)
            runs[name].append(run(seed))
    return {name: (float(statistics.fmean(values)), float(statistics.stdev(values)) if len(values) > 1 else 0.0)
            for name, values in runs.items()}


@compare.alternative
def by_numpy(recipes, seeds):
    seeds = tuple(seeds)
    table = np.array([[_run(run, seed) for seed in seeds] for run in recipes.values()])
    spread = table.std(axis=1, ddof=1) if len(seeds) > 1 else np.zeros(len(table))
    return {name: (float(mean), float(each)) for name, mean, each in zip(recipes, table.mean(1), spread, strict=True)}


@compare.alternative
def by_hand(recipes, seeds):
    found = {}
    seeds = [*seeds]
    for name in recipes:
        values = []
        for seed in seeds:
            torch.random.manual_seed(seed)
            values += [recipes[name](seed)]
        mean = sum(values) / len(values)
        square = sum((value - mean) ** 2 for value in values) / max(len(values) - 1, 1)
        found[name] = (mean, square ** 0.5)
    return found


compare.equivalent("shares = torch.tensor(shares, dtype=torch.float64) -> shares = torch.tensor(shares)",
                   "Mean and spread are rounded at the seventh digit, and the task asks for no more.")
