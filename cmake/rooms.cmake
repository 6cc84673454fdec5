# A folder of sources is a room: one object library, whose USES are the other rooms that its files may include. The same
# table stands in tests/checks/arrows.py, which fails on any other #include. All rooms of sandbox/ become one library
# (cellblock_sandbox), so do those of kernel/.
#
#   cellblock_room(channel USES api base LIBRARIES PkgConfig::LIBXML2)
if(CELLBLOCK_PRECOMPILE)
  file(GENERATE OUTPUT ${CMAKE_BINARY_DIR}/precompiled.cc CONTENT "// Large headers, compiled once for all rooms.\n")
  add_library(cellblock_precompiled OBJECT ${CMAKE_BINARY_DIR}/precompiled.cc)
  target_link_libraries(cellblock_precompiled PUBLIC cellblock_options nlohmann_json::nlohmann_json)
  target_precompile_headers(cellblock_precompiled PRIVATE <algorithm> <chrono> <functional> <map> <memory> <optional>
                            <string> <variant> <vector> <sandbox/base/json_instance.h>)
endif()

function(cellblock_room name)
  cmake_parse_arguments(PARSE_ARGV 1 room "" "" "USES;LIBRARIES")
  cmake_path(GET CMAKE_CURRENT_SOURCE_DIR FILENAME wing)
  set(target cellblock_${wing}_${name})
  file(GLOB sources CONFIGURE_DEPENDS ${name}/*.cc)
  if(sources)
    add_library(${target} OBJECT ${sources})
    set(scope PUBLIC)
    if(CELLBLOCK_PRECOMPILE)
      target_precompile_headers(${target} REUSE_FROM cellblock_precompiled)
    endif()
    set_property(GLOBAL APPEND PROPERTY cellblock_${wing}_objects $<TARGET_OBJECTS:${target}>)
  else()
    add_library(${target} INTERFACE)
    set(scope INTERFACE)
  endif()
  list(TRANSFORM room_USES PREPEND cellblock_${wing}_)
  target_link_libraries(${target} ${scope} cellblock_options nlohmann_json::nlohmann_json ${room_USES} ${room_LIBRARIES})
endfunction()
