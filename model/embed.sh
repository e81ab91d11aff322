#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Writes the assembler file that makes a packed model part of the library.
# Usage: embed.sh MODEL.gguf OUTPUT.S
cat > "$2" << END
	.section .rodata
	.balign 4096
	.global ituning_embedded_start
	.hidden ituning_embedded_start
ituning_embedded_start:
	.incbin "$(realpath "$1")"
	.global ituning_embedded_end
	.hidden ituning_embedded_end
ituning_embedded_end:
	.byte 0
	.section .note.GNU-stack,"",%progbits
END
