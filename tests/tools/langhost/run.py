# Runs a Pulumi program against the engine that the environment names.
import asyncio
import os
import runpy
import sys
import traceback

import pulumi
import pulumi.runtime

pulumi.runtime.configure(
    pulumi.runtime.Settings(
        monitor=os.environ["PULUMI_MONITOR"],
        engine=os.environ["PULUMI_ENGINE"],
        project=os.environ["PULUMI_PROJECT"],
        stack=os.environ["PULUMI_STACK"],
        organization=os.environ["PULUMI_ORGANIZATION"],
        root_directory=os.environ["PULUMI_ROOT_DIRECTORY"],
        parallel=int(os.environ["PULUMI_PARALLEL"]),
        dry_run=os.environ["PULUMI_DRY_RUN"] == "true",
    )
)

program = sys.argv[1]
sys.argv = [program]
sys.path.insert(0, program)
sys.excepthook = lambda *args: None

try:
    asyncio.run(pulumi.runtime.run_in_stack(lambda: runpy.run_path(program, run_name="__main__") and None))
except pulumi.RunError as error:
    pulumi.log.error(str(error))
except Exception:
    pulumi.log.error("Program failed with an unhandled exception:\n" + traceback.format_exc())
else:
    sys.exit(0)
sys.exit(32)
