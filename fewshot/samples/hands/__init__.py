"""The four hands: each module draws a `FacePlan` in one style."""
