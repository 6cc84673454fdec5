"""What was measured: rows of samples, goals they are held against, and how both are told."""

import dataclasses
import json
import statistics


@dataclasses.dataclass
class Goal:
    """At most `bound` times the figure of `against`; without that, at most `bound` in the row's unit. `least`: at least."""

    bound: float
    against: str = ""
    of: str = "median"
    least: bool = False

    def met(self, value):
        return value >= self.bound if self.least else value <= self.bound

    def of_bound(self, value):
        """Below 1 is good."""
        return self.bound / value if self.least else value / self.bound


@dataclasses.dataclass
class Row:
    group: str
    case: str
    samples: dict                # by contestant; the first is ours
    goals: list = dataclasses.field(default_factory=list)
    unit: str = "ms"
    notes: list = dataclasses.field(default_factory=list)

    @property
    def ours(self):
        return next(iter(self.samples))

    def figure(self, name, of="median"):
        values = sorted(self.samples[name])
        if of == "median":
            return statistics.median(values)
        return values[min(len(values) - 1, int(len(values) * int(of[1:]) / 100))]

    def ratio(self, name, of="median"):
        return self.figure(self.ours, of) / self.figure(name, of)

    def measured(self, goal):
        """The number that the goal is about; None where the other one didn't take part."""
        if not goal.against:
            return self.figure(self.ours, goal.of)
        return self.ratio(goal.against, goal.of) if self.samples.get(goal.against) else None


def _number(value, unit):
    return "%.3g %s" % (value, unit) if value < 1000 else "%.0f %s" % (value, unit)


def table(rows):
    """The rows as text: median and 90th percentile of each contestant, and ours divided by theirs."""
    lines, group = [], None
    for row in rows:
        if row.group != group:
            group = row.group
            lines += ["", group]
        cells = []
        for name, values in row.samples.items():
            text = "%s %s" % (name, _number(row.figure(name), row.unit)) if values else "%s: nothing" % name
            if len(values) > 2:
                text += " (p90 %s)" % _number(row.figure(name, "p90"), row.unit)
            if values and name != row.ours and row.samples[row.ours]:
                text += ", ratio %.3g" % row.ratio(name)
            cells.append(text)
        lines.append("  %-44s %s" % (row.case, "; ".join(cells)))
        lines += ["  %-44s %s" % ("", note) for note in row.notes]
    return "\n".join(lines[1:])


def goals(rows):
    lines = ["%-44s %-32s %10s" % ("goal", "", "measured")]
    for row in rows:
        for goal in row.goals:
            bound = "%s %s %g %s" % (goal.of, "≥" if goal.least else "≤", goal.bound, "× " + goal.against if goal.against else row.unit)
            value = row.measured(goal)
            told = "no %s" % goal.against if value is None else "%10.3g %s" % (value, "met" if goal.met(value) else "MISSED")
            lines.append("%-44s %-32s %s" % (row.case, bound, told))
    return "\n".join(lines)


def write_json(path, facts, rows):
    told = [{**dataclasses.asdict(row), "medians": {name: row.figure(name) for name, values in row.samples.items() if values},
             "measured": [row.measured(goal) for goal in row.goals]} for row in rows]
    path.write_text(json.dumps({"facts": facts, "rows": told}, indent=1))


def plot(path, facts, rows):
    """Each ratio as a point, its goal as a mark; left of the mark is good."""
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot
    shown = [(row, goal, row.measured(goal)) for row in rows for goal in row.goals]
    shown = [(row, goal, value if goal.against else goal.of_bound(value)) for row, goal, value in shown if value is not None]
    if not shown:
        return
    figure, axes = pyplot.subplots(figsize=(10, 1.5 + 0.3 * len(shown)), layout="constrained")
    for at, (_, goal, value) in enumerate(reversed(shown)):
        bound = goal.bound if goal.against else 1
        axes.barh(at, value, color="tab:green" if value <= bound else "tab:red", height=0.6)
        axes.plot([bound, bound], [at - 0.4, at + 0.4], color="black")
    axes.set_yticks(range(len(shown)), ["%s, %s %s" % (row.case, goal.of, "/ " + goal.against if goal.against else
                                                       "/ %g %s" % (goal.bound, row.unit))
                                        for row, goal, _ in reversed(shown)], fontsize=8)
    axes.set_xscale("log")
    axes.axvline(1, color="grey", linewidth=0.5)
    axes.set_xlabel("ratio; the black mark is the goal")
    axes.set_title("cellblock, side by side: " + facts["against"], fontsize=9)
    figure.savefig(path, dpi=110)
