"""The ranking of (actor, patient, local day): features, experts' weights, what decisions teach, and the reasons in words."""
