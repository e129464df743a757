"""A machine for classic BPF, as far as our filters use it, and a program that tries calls under a filter."""

import struct

ALLOWED = -1


def verdict(program: bytes, audit: int, number: int, *arguments: int) -> int:
    """The error with which `program` refuses the call, or `ALLOWED`. Follows `linux/filter.h`."""
    padded = [*arguments, *[0] * (6 - len(arguments))]
    data = struct.pack("<IIQ6Q", number, audit, 0, *padded)
    steps = [struct.unpack_from("=HBBI", program, at) for at in range(0, len(program), 8)]
    accumulator, at = 0, 0
    while True:
        code, if_true, if_false, operand = steps[at]
        at += 1
        match code:
            case 0x20:
                (accumulator,) = struct.unpack_from("<I", data, operand)
            case 0x15 | 0x35 | 0x45:
                holds = {0x15: accumulator == operand, 0x35: accumulator >= operand}
                at += if_true if holds.get(code, bool(accumulator & operand)) else if_false
            case 0x06:
                return ALLOWED if operand == 0x7FFF0000 else operand & 0xFFFF
            case _:
                raise AssertionError(f"instruction {code:#x}")


LOADER = """
import ctypes, sys
libc = ctypes.CDLL(None, use_errno=True)
def load(program):
    class Program(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("steps", ctypes.c_char_p)]
    assert libc.prctl(38, 1, 0, 0, 0) == 0
    made = Program(len(program) // 8, program)
    assert libc.prctl(22, 2, ctypes.byref(made), 0, 0) == 0, ctypes.get_errno()
def call(number, *arguments):
    ctypes.set_errno(0)
    done = libc.syscall(ctypes.c_long(number), *[ctypes.c_long(each) for each in arguments])
    return ctypes.get_errno() if done == -1 else 0
"""
"""Defines `load(program)` and `call(number, *arguments)`, which returns the errno."""

TRIES = (
    LOADER
    + """
import json, pathlib
if len(sys.argv) > 2:
    load(pathlib.Path(sys.argv[2]).read_bytes())
print(json.dumps([call(*each) for each in json.loads(sys.argv[1])]))
"""
)
"""Makes the calls of its first argument, under the filter in the file of its second; prints their errors."""
