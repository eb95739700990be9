"""What weight files are, told by the names and shapes of their tensors. Reads headers; loads no tensor."""
