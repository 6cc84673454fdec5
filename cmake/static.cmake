# CELLBLOCK_STATIC: a program for other systems than the one that builds it, as a wheel carries. All libraries are linked
# statically but libc and libseccomp, which is under the LGPL and is installed beside the program. Included before the other
# packages are looked for. Debian's libzmq.a and libxml2.a need libraries that have no static form there or are large
# (Kerberos, ICU), so both are built from source without them: cmake/wheel/build does.
pkg_check_modules(SECCOMP REQUIRED IMPORTED_TARGET libseccomp)
find_library(libsodium NAMES libsodium.a REQUIRED)
file(REAL_PATH "${pkgcfg_lib_SECCOMP_seccomp}" libseccomp)
install(FILES "${libseccomp}" DESTINATION lib/cellblock RENAME libseccomp.so.2 COMPONENT program)
if(SKBUILD)  # the licences of all that is linked, beside our own
  install(DIRECTORY "${CMAKE_SOURCE_DIR}/build/wheel/${CMAKE_SYSTEM_PROCESSOR}/licences/" DESTINATION "${SKBUILD_METADATA_DIR}/licenses" COMPONENT program)
endif()

set(OPENSSL_USE_STATIC_LIBS ON)
set(ZLIB_USE_STATIC_LIBS ON)
set(CMAKE_FIND_LIBRARY_SUFFIXES .a)
find_package(ZeroMQ CONFIG REQUIRED)
add_library(libzmq ALIAS libzmq-static)  # the name that cppzmq links
set_property(TARGET libzmq-static PROPERTY INTERFACE_LINK_LIBRARIES "${libsodium}")  # which its own names as shared
