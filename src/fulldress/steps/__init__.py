"""Step kinds, one file each, found by folder: what a step does on a host, how it is verified and how it is undone.

``steps/<kind>.py`` (dashes become underscores) holds ``KIND`` (:class:`fulldress.steps._contract.KindInfo`) and
``compile(step, ctx) -> StepScripts``, pure: parameters in, bash out. Nothing here touches a host; nothing existing is
edited when a kind is added.
"""

from fulldress.steps._bash import references
from fulldress.steps._contract import KindInfo, StepContext, StepParams, compile_step, kinds

__all__ = ["KindInfo", "StepContext", "StepParams", "compile_step", "kinds", "references"]
