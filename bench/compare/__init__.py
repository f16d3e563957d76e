"""Two commits beside each other: each in a checkout and a cluster of its own, under the same load in turns."""
