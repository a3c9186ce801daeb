"""The function on a stage: a local cloud, local clusters, and the main job played through."""
