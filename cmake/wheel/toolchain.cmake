# GCC of this machine, for a wheel: headers and libraries come from $CELLBLOCK_SYSROOT alone, which cmake/wheel/build makes, and
# code is for $CELLBLOCK_TRIPLET. What a newer glibc has and that one hasn't is in old_glibc.c. The places of headers are in
# $C_INCLUDE_PATH and $CPLUS_INCLUDE_PATH: where they were options, GCC would look into libc's before libstdc++'s.
set(sysroot $ENV{CELLBLOCK_SYSROOT})
set(triplet $ENV{CELLBLOCK_TRIPLET})
string(REGEX MATCH "^[^-]+" processor ${triplet})
if(NOT processor STREQUAL CMAKE_HOST_SYSTEM_PROCESSOR)
  set(CMAKE_SYSTEM_NAME Linux)  # which tells CMake that programs for it can't run here
  set(CMAKE_SYSTEM_PROCESSOR ${processor})
endif()
set(CMAKE_C_COMPILER ${triplet}-gcc)
set(CMAKE_CXX_COMPILER ${triplet}-g++)
set(CMAKE_SYSROOT ${sysroot})
set(CMAKE_FIND_ROOT_PATH ${sysroot})
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)

# GCC knows its own libc by its own place, and looks there first.
set(here "-B${sysroot}/usr/lib/${triplet} -L${sysroot}/usr/lib/${triplet} -L${sysroot}/lib/${triplet}")
set(old "-Wl,--wrap=exp,--wrap=log,--wrap=pow")
set(CMAKE_EXE_LINKER_FLAGS_INIT "${here} ${old}")
set(CMAKE_SHARED_LINKER_FLAGS_INIT "${here} ${old}")
# Names of files, in messages of failed assertions, tell nothing of this machine.
cmake_path(GET sysroot PARENT_PATH own)
cmake_path(SET repository NORMALIZE ${CMAKE_CURRENT_LIST_DIR}/../..)
set(names "-ffile-prefix-map=${repository}= -ffile-prefix-map=${own}=")
set(CMAKE_C_FLAGS_INIT "-nostdinc ${names}")
set(CMAKE_CXX_FLAGS_INIT "-nostdinc ${names} -include ${CMAKE_CURRENT_LIST_DIR}/old_glibc.h")
# GCC names libstdc++ and libgcc behind all other libraries, but they need some of these.
set(libraries "${sysroot}/usr/lib/${triplet}/libold_glibc.a -lpthread -ldl -lm")
set(CMAKE_C_STANDARD_LIBRARIES_INIT "${libraries}")
set(CMAKE_CXX_STANDARD_LIBRARIES_INIT "-Wl,--start-group -l:libstdc++.a -l:libgcc_eh.a ${libraries} -Wl,--end-group")
