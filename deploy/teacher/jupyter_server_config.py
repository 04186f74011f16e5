"""The teacher's server: the formgrader is a page within JupyterLab's, which the hub would forbid."""

c = get_config()  # noqa: F821  (Jupyter provides it)
c.ServerApp.tornado_settings = {"headers": {"Content-Security-Policy": "frame-ancestors 'self'"}}
