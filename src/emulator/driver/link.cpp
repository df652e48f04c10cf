// Linking: PTX in, and what comes out is that PTX, which is what this device loads. One text is linked; several
// would need their file-scope names kept apart, which is refused rather than guessed.
#include "emulator/driver/api.h"

namespace triptych::emulator::driver {

struct LinkState {
  ErrorLog log;
  std::string ptx = {};
};

namespace {

Handles<LinkState>& states() {
  static Handles<LinkState> all;
  return all;
}

Result add(Call& call, LinkState* state, int type, const char* data, std::size_t bytes) {
  if (!states().holds(state)) return Result::invalid_handle;
  if (data == nullptr || type < 0 || type > 5) return Result::invalid_value;
  Ptx ptx = ptx_of(data, call.engine.machine().limits(call.device()).architecture, bytes);
  if (ptx.text.empty()) {
    state->log.write(ptx.refusal);
    return type == 1 ? Result::invalid_ptx : Result::no_binary_for_gpu;
  }
  if (!state->ptx.empty()) {
    state->log.write("the software device links one PTX text, and this is the second; compile the sources as one");
    return Result::not_supported;
  }
  const Parsed parsed = parse(ptx.text, "module");
  if (parsed.error) {
    state->log.write(parsed.error->str());
    return Result::invalid_ptx;
  }
  state->ptx = std::move(ptx.text);
  return Result::success;
}

}  // namespace
}  // namespace triptych::emulator::driver

using namespace triptych::emulator::driver;

TRIPTYCH_CU Result cuLinkCreate_v2(unsigned count, int* options, void** values, LinkState** state) {
  return in_context([&](Call&) {
    if (state == nullptr) return Result::invalid_value;
    *state = states().make(LinkState{ErrorLog(count, options, values)});
    return Result::success;
  });
}

TRIPTYCH_CU Result cuLinkAddData_v2(LinkState* state, int type, void* data, std::size_t bytes, const char*, unsigned, int*,
                                    void**) {
  return in_context([&](Call& call) { return add(call, state, type, static_cast<const char*>(data), bytes); });
}

TRIPTYCH_CU Result cuLinkAddFile_v2(LinkState* state, int type, const char* path, unsigned, int*, void**) {
  return in_context([&](Call& call) {
    if (path == nullptr) return Result::invalid_value;
    std::string content;
    if (!read_file(path, content)) return Result::file_not_found;
    return add(call, state, type, content.c_str(), content.size() + 1);
  });
}

TRIPTYCH_CU Result cuLinkComplete(LinkState* state, void** image, std::size_t* bytes) {
  return in_context([&](Call&) {
    if (!states().holds(state)) return Result::invalid_handle;
    if (image == nullptr) return Result::invalid_value;
    if (state->ptx.empty()) return Result::invalid_image;
    *image = state->ptx.data();
    give(bytes, state->ptx.size() + 1);
    return Result::success;
  });
}

TRIPTYCH_CU Result cuLinkDestroy(LinkState* state) {
  return in_context([&](Call&) {
    if (!states().holds(state)) return Result::invalid_handle;
    states().drop(state);
    return Result::success;
  });
}
TRIPTYCH_CU_ALIAS(cuLinkCreate, cuLinkCreate_v2)
TRIPTYCH_CU_ALIAS(cuLinkAddData, cuLinkAddData_v2)
TRIPTYCH_CU_ALIAS(cuLinkAddFile, cuLinkAddFile_v2)
