"""The NVIDIA driver, asked without any other library: which GPU is here, and memory that the GPU reads by itself.

Never run by its authors on a GPU; that it refuses where there is none is tested.
"""

import ctypes
import math
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from core.errors import EngineError

_MAJOR: Final = 75
_MINOR: Final = 76
"""The driver's numbers for the two halves of a GPU's architecture."""
_PORTABLE: Final = 1
"""Pinned for whatever asks, not for one context."""


class Memory(Protocol):
    """Memory beside a device, and the copies between the two. Each copy has been made when its call returns."""

    def pinned(self, shape: tuple[int, ...], kind: npt.DTypeLike) -> npt.NDArray[Any]:
        """Zeros in the memory of the host."""

    def upload(self, address: int, array: npt.NDArray[Any]) -> None:
        """Copy to this address of the device."""

    def download(self, array: npt.NDArray[Any], address: int) -> None:
        """Copy from this address of the device."""


class Driver:
    """The driver, and the first GPU that it finds.

    Raises: EngineError: there is no driver, or no GPU that it can use; the message says what to try.
    """

    def __init__(self) -> None:
        try:
            self._cuda = ctypes.CDLL("libcuda.so.1")
        except OSError as error:
            raise EngineError(
                f"there is no NVIDIA driver here ({error}); try: install the driver and look at nvidia-smi"
            ) from error
        self._ask("cuInit", 0)
        self._gpu = ctypes.c_int()
        self._ask("cuDeviceGet", ctypes.byref(self._gpu), 0)
        self._context = ctypes.c_void_p()

    def words(self) -> str:
        """The GPU's architecture and the driver, as "sm_90, driver 13000": with the library, all a plan depends on."""
        version = ctypes.c_int()
        self._ask("cuDriverGetVersion", ctypes.byref(version))
        return f"sm_{self._attribute(_MAJOR)}{self._attribute(_MINOR)}, driver {version.value}"

    def pinned(self, shape: tuple[int, ...], kind: npt.DTypeLike) -> npt.NDArray[Any]:
        """Zeros in memory that the GPU reads and writes by itself; freed when the process ends."""
        size = max(math.prod(shape), 1) * np.dtype(kind).itemsize
        address = ctypes.c_void_p()
        self._enter()
        self._ask("cuMemHostAlloc", ctypes.byref(address), ctypes.c_size_t(size), ctypes.c_uint(_PORTABLE))
        held = np.ctypeslib.as_array((ctypes.c_uint8 * size).from_address(address.value or 0))
        held[...] = 0
        array: npt.NDArray[Any] = held.view(kind)[: math.prod(shape)].reshape(shape)
        return array

    def upload(self, address: int, array: npt.NDArray[Any]) -> None:
        """Copy to this address of the GPU."""
        self._enter()
        self._ask("cuMemcpyHtoD_v2", ctypes.c_uint64(address), _pointer(array), ctypes.c_size_t(array.nbytes))

    def download(self, array: npt.NDArray[Any], address: int) -> None:
        """Copy from this address of the GPU."""
        self._enter()
        self._ask("cuMemcpyDtoH_v2", _pointer(array), ctypes.c_uint64(address), ctypes.c_size_t(array.nbytes))

    def _enter(self) -> None:
        """Let this thread use the context that CUDA's libraries share."""
        if not self._context.value:
            self._ask("cuDevicePrimaryCtxRetain", ctypes.byref(self._context), self._gpu)
        self._ask("cuCtxSetCurrent", self._context)

    def _attribute(self, number: int) -> int:
        value = ctypes.c_int()
        self._ask("cuDeviceGetAttribute", ctypes.byref(value), number, self._gpu)
        return value.value

    def _ask(self, name: str, *arguments: object) -> None:
        code = getattr(self._cuda, name)(*arguments)
        if code:
            told = ctypes.c_char_p()
            self._cuda.cuGetErrorName(code, ctypes.byref(told))
            what = (told.value or b"an error of no name").decode()
            raise EngineError(f"the NVIDIA driver answers {name} with {what}; try: nvidia-smi, is the GPU free?")


def _pointer(array: npt.NDArray[Any]) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)
