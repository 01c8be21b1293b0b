"""Content credentials of pictures: how they are signed, and the verdict on those of any picture."""
