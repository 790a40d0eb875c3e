"""Running, judging and recording: rollouts, branches, metrics, statistics and the log.

Here stand the log, what was recorded (`evidence`), what a metric is (`metric`), statistics and provenance; everything else is
in a room, from the bottom up: `power`, `eyes`, `metrics`, `ask`, `scoring`, `conformance`, `card`, `sufficiency`, `records`.

    branches = make_branches(Protocol("metaworld/push", offsets=(4, 8)), "cache")      true counterfactual futures
    readout = readout_for(windows)                                                      frames -> states, audited
    scores, futures = score_model("uwm", model, branches, readout=readout)              does the future follow the action?
    scores += score_rollouts("uwm", spec, episodes, readout=readout, scales=branches.scales())
    scores += score_nulls(branches, readout=readout)                                    reference lines
    EvalLog(provenance("wam run", seeds), scores).save("log")
"""
