"""The one error that users see: a line with the place, the problem and a hint."""


class InputError(Exception):
    """Bad input: printed as one line, without a traceback, and the process exits with 2.

    Args:
        where: file and line, file and key, or option (``config/experiments/x.yaml: sweep.lora.r``).
        problem: what was found and what was expected.
        hint: how to mend it, if that is known.
    """

    def __init__(self, where: str, problem: str, hint: str = "") -> None:
        self.where, self.problem, self.hint = str(where), problem, hint
        line = f"{where}: {problem}" + (f" (hint: {hint})" if hint else "")
        super().__init__(" ".join(line.split()))
