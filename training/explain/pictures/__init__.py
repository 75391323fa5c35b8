"""The pictures, as matplotlib figures. No pyplot: nothing global, no window, nothing to close."""
