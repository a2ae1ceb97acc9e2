"""The ten instances that carry what a node has to say within its process."""
