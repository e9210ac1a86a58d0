"""`make soak`: an audit of many small images, whose memory must not grow with them while they are scored."""
