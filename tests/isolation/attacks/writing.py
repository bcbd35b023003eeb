"""Attacks that want to change what is not theirs."""

from __future__ import annotations

from attack import Attack, writes

ATTACKS = (
    Attack(
        "home",
        "new names",
        """
        for attempt in (
            lambda: os.mkdir(@OUT@ + "/folder"),
            lambda: open(@OUT@ + "/file", "w"),
            lambda: os.mknod(@OUT@ + "/node"),
            lambda: os.mkfifo(@OUT@ + "/fifo"),
            lambda: os.link(@SECRET@, @OUT@ + "/link"),
            lambda: os.rename(@SECRET@, @OUT@ + "/moved"),
        ):
            first(attempt)
        """,
        lambda scene, outcome: bool(scene.written()),
    ),
    Attack(
        "home",
        "the secret itself",
        """
        for attempt in (
            lambda: os.unlink(@SECRET@),
            lambda: os.truncate(@SECRET@, 0),
            lambda: open(@SECRET@, "w"),
            lambda: os.rmdir(os.path.dirname(@SECRET@)),
        ):
            first(attempt)
        """,
        lambda scene, outcome: scene.touched(),
        site="init",
    ),
    Attack(
        "home",
        "torch.save",
        "torch.save({}, @OUT@ + '/model.pt')",
        writes,
        site="train",
    ),
    Attack(
        "home",
        "profiler trace",
        """
        import numpy
        import torch
        import torch.profiler
        def profiled():
            with torch.profiler.profile() as profile:
                torch.ones(2).sum()
            profile.export_chrome_trace(@OUT@ + "/trace.json")
        for attempt in (
            profiled,
            lambda: numpy.save(@OUT@ + "/array.npy", numpy.zeros(3)),
            lambda: torch._C._log_api_usage_once("x") or torch.serialization.save({}, @OUT@ + "/model"),
        ):
            first(attempt)
        """,
        writes,
        site="forward",
        control="bare",  # the other one's child may write no files either
    ),
    Attack(
        "site-packages",
        "a package of its own",
        "os.mkdir(@PACKAGES@)",
        lambda scene, outcome: scene.planted(),
    ),
    Attack(
        "bootstrap and input",
        "beside the zygote's code",
        "os.mkdir(@BOOTSTRAP@)",
        lambda scene, outcome: scene.planted(),
    ),
    Attack(
        "bootstrap and input",
        "files that the parent holds open",
        """
        with open(@HELD@, "r+b", 0) as file:
            file.write(b"A" * 32)
        """,
        lambda scene, outcome: scene.overwritten(),
        control="bare",
    ),
    Attack(
        "chmod/utime",
        "mode, times, owner, attributes",
        """
        for attempt in (
            lambda: os.chmod(@SECRET@, 0o777),
            lambda: os.utime(@SECRET@),
            lambda: os.chown(@SECRET@, 1, 1),
            lambda: os.setxattr(@SECRET@, "user.mark", b"x"),
        ):
            first(attempt)
        """,
        lambda scene, outcome: scene.touched(),
    ),
    Attack(
        "chmod/utime",
        "through a descriptor",
        """
        descriptor = os.open(@SECRET@, os.O_RDONLY)
        os.fchmod(descriptor, 0o777)
        os.utime(descriptor)
        """,
        lambda scene, outcome: scene.touched(),
        site="forward",
    ),
)
