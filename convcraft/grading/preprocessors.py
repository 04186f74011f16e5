sanitize_preprocessors = []
autograde_preprocessors = []
