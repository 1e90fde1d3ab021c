"""The public interfaces of trackers as this project uses them, recorded: a server keeps what comes, and keeps it all.

The servers take a point as often as it is sent, so that a test sees whatever comes twice. Signatures are those of
wandb 0.31, swanlab 0.10 and clearml 2.1.
"""

import types
from importlib.machinery import ModuleSpec


class Server:
    """What outlives the processes of runs: runs by their id."""

    def __init__(self):
        self.runs = {}

    def opened(self, id, **facts):
        run = self.runs.setdefault(id, {"points": {}, "pictures": {}, "config": {}, "state": "", "starts": []})
        run["starts"].append(facts)
        run["state"] = "running"
        return run

    def take(self, run, name, step, value):
        kind = "pictures" if isinstance(value, Image) else "points"
        run[kind].setdefault(name, []).append((step, value.path if isinstance(value, Image) else value))


class Image:
    def __init__(self, path):
        self.path = path


class Settings:
    def __init__(self, **values):
        self.values = values


def module(name, **content):
    """A module that importlib.util.find_spec finds as if it were installed."""
    made = types.ModuleType(name)
    made.__spec__ = ModuleSpec(name, None, origin=f"{name}/__init__.py")
    vars(made).update(content)
    return made


def wandb(server):
    class Run:
        def __init__(self, run):
            self.run, self.url, self.dir = run, "https://wandb.test/run", "folder"

        @property
        def step(self):
            """Of the next call."""
            return max((step for points in self.run["points"].values() for step, _ in points), default=-1) + 1

        def log(self, data, step=None, commit=None):
            for name, value in data.items():
                server.take(self.run, name, step, value)

        def finish(self, exit_code=None):
            self.run["state"] = {0: "finished", 1: "failed"}[exit_code]

    def init(*, project, name, id, resume, config, allow_val_change):
        assert resume == "allow"
        run = server.opened(id, project=project, name=name)
        assert allow_val_change or run["config"] in ({}, config)
        run["config"] = config
        return Run(run)

    def setup(settings):
        assert settings.values["silent"], "it would ask for a key"

    return module("wandb", init=init, setup=setup, Settings=Settings, Image=Image)


def swanlab(server):
    class Run:
        def __init__(self, run):
            self.run = run

        def log(self, data, step=None):
            for name, value in data.items():
                server.take(self.run, name, step, value)

        def finish(self, state="success", error=None):
            self.run["state"] = {"success": "finished", "aborted": "failed"}[state]

    def init(*, project, experiment_name, id, resume, config, settings):
        assert resume == "allow"
        assert settings.values == {"interactive": False}, "it would ask for a key"
        run = server.opened(id, project=project, name=experiment_name)
        run["config"] = config
        return Run(run)

    return module("swanlab", init=init, Settings=Settings, Image=Image)


def clearml(server):
    class Task:
        def __init__(self, id, run, offset):
            self.id, self.run, self.offset = id, run, offset

        @classmethod
        def init(cls, project_name, task_name, *, reuse_last_task_id, continue_last_task, **switches):
            names = ("arg_parser", "frameworks", "streams")
            assert switches == {"auto_resource_monitoring": False, **{f"auto_connect_{n}": False for n in names}}
            if not reuse_last_task_id:
                id = f"task{len(server.runs)}"
                return cls(id, server.opened(id, project=project_name, name=task_name), 0)
            if continue_last_task is False:  # it is begun anew
                server.runs.pop(reuse_last_task_id)
            run = server.opened(reuse_last_task_id, project=project_name, name=task_name)
            last = cls(reuse_last_task_id, run, 0).get_last_iteration()
            return cls(reuse_last_task_id, run, last + 1 if continue_last_task is True else continue_last_task)

        def set_parameters_as_dict(self, dictionary):
            self.run["config"] = dictionary["config"]

        def get_last_iteration(self):
            return max((step for points in self.run["points"].values() for step, _ in points), default=0)

        def get_logger(self):
            return self

        def report_scalar(self, title, series, value, iteration):
            assert title == series
            server.take(self.run, title, iteration + self.offset, value)

        def report_image(self, title, series, iteration=None, local_path=None):
            server.take(self.run, series, iteration, Image(local_path))

        def flush(self, wait_for_uploads=False):
            assert wait_for_uploads
            self.run["state"] = "finished"

        def mark_stopped(self):
            self.run["state"] = "failed"

        def close(self): ...

    return module("clearml", Task=Task)


FAKES = {"wandb": wandb, "swanlab": swanlab, "clearml": clearml}
