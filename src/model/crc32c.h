/// \file
/// CRC-32C, the checksum that model and checkpoint files carry for each tensor.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace triptych {

/// The CRC-32C (Castagnoli, polynomial 0x1EDC6F41, reflected, initial and final xor 0xFFFFFFFF) of
/// `bytes` appended to bytes whose CRC is `crc`; 0 is the CRC of no bytes. It changes with every
/// flipped bit and with every burst of up to 32 bits. Check: "123456789" gives 0xE3069283.
/// Source: RFC 3720, appendix B.4.
std::uint32_t crc32c(std::span<const std::byte> bytes, std::uint32_t crc = 0);

}  // namespace triptych
