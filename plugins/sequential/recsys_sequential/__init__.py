"""SASRec for recsys: what comes next, learned from the order of choices."""
