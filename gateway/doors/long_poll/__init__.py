"""The long-poll door: four HTTP addresses over sessions that hold what their clients have not fetched."""
