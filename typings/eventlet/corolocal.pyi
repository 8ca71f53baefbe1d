class local:
    is_new: bool
