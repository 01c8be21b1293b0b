"""`make bench`: the product against a naive diffusers handler, interleaved, and against the machine's roofline."""
