# The files that are installed. The component `program` is what a wheel has below its environment's prefix (pyproject.toml); there the
# Python package is installed by pip. debian/ makes packages of all of it.
set(data ${CMAKE_INSTALL_DATADIR})

install(TARGETS cellblock RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT program)
install(TARGETS cellblock_jail LIBRARY DESTINATION lib/cellblock COMPONENT program)
install(TARGETS cellblock_warden cellblock_helper RUNTIME DESTINATION lib/cellblock COMPONENT program)
if(CELLBLOCK_STATIC)
  set_target_properties(cellblock cellblock_helper PROPERTIES INSTALL_RPATH "$ORIGIN/../lib/cellblock;$ORIGIN")  # libseccomp
endif()
install(DIRECTORY sandbox/python/ DESTINATION ${data}/cellblock/python COMPONENT program
        PATTERN __pycache__ EXCLUDE PATTERN "*.pyc" EXCLUDE PATTERN README.md EXCLUDE)
install(DIRECTORY share/cellblock/policies share/cellblock/engines DESTINATION ${data}/cellblock COMPONENT program OPTIONAL
        PATTERN .gitkeep EXCLUDE PATTERN __pycache__ EXCLUDE)
# A file of the folder's own, too: pip leaves a folder behind that had nothing but folders.
install(FILES share/cellblock/README.md DESTINATION ${data}/cellblock COMPONENT program)
install(DIRECTORY share/cellblock/images DESTINATION ${data}/cellblock USE_SOURCE_PERMISSIONS COMPONENT program)
set(kernelspec ${data}/jupyter/kernels/cellblock)
install(FILES share/jupyter/kernels/cellblock/logo-32x32.png share/jupyter/kernels/cellblock/logo-64x64.png
              share/jupyter/kernels/cellblock/logo-svg.svg DESTINATION ${kernelspec} COMPONENT program)
# The Python package for programs. It finds PREFIX/bin/cellblock from its own place, and `pip install` takes the folder.
install(DIRECTORY share/python/cellblock DESTINATION ${data}/python COMPONENT python
        PATTERN __pycache__ EXCLUDE PATTERN "*.pyc" EXCLUDE)
install(FILES share/python/pyproject.toml share/python/README.md DESTINATION ${data}/python COMPONENT python)
if(NOT CMAKE_CROSSCOMPILING OR CMAKE_CROSSCOMPILING_EMULATOR)  # what kernel/CMakeLists.txt has the program print
  install(DIRECTORY ${CMAKE_BINARY_DIR}/share/man/ DESTINATION ${CMAKE_INSTALL_MANDIR} COMPONENT shell)
  install(DIRECTORY ${CMAKE_BINARY_DIR}/share/bash-completion ${CMAKE_BINARY_DIR}/share/zsh ${CMAKE_BINARY_DIR}/share/fish
          DESTINATION ${data} COMPONENT shell)
endif()
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} RENAME copyright COMPONENT documents)
file(GLOB_RECURSE pages CONFIGURE_DEPENDS RELATIVE ${CMAKE_SOURCE_DIR} kernel/*.md sandbox/*.md share/*.md tests/*.md)
foreach(page README.md SECURITY.md CONTRIBUTING.md ${pages})
  cmake_path(GET page PARENT_PATH folder)
  install(FILES ${page} DESTINATION ${CMAKE_INSTALL_DOCDIR}/${folder} COMPONENT documents)
endforeach()
install(DIRECTORY examples DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT documents
        PATTERN quickstart EXCLUDE PATTERN __pycache__ EXCLUDE PATTERN .ipynb_checkpoints EXCLUDE)

# The library for other programs: find_package(cellblock), cellblock::sandbox, #include <sandbox/api/session.h>.
include(CMakePackageConfigHelpers)
set(package ${CMAKE_INSTALL_LIBDIR}/cmake/cellblock)
install(TARGETS cellblock_sandbox EXPORT cellblock-targets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT library)
install(DIRECTORY sandbox/api DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/cellblock/sandbox COMPONENT library
        FILES_MATCHING PATTERN "*.h")
install(EXPORT cellblock-targets NAMESPACE cellblock:: DESTINATION ${package} COMPONENT library)
configure_package_config_file(cmake/cellblock-config.cmake.in cellblock-config.cmake INSTALL_DESTINATION ${package}
                              PATH_VARS CMAKE_INSTALL_BINDIR)
write_basic_package_version_file(cellblock-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/cellblock-config.cmake
              ${CMAKE_CURRENT_BINARY_DIR}/cellblock-config-version.cmake DESTINATION ${package} COMPONENT library)

# The kernelspec is written at install time, because its argv holds the prefix. Which Python will be there isn't known
# yet, so it says that there is a debugger, as ipykernel's does; where debugpy is missing, debug_reply tells so. A wheel's
# prefix isn't known at all: Jupyter fills in the kernelspec's folder, and the program runs its environment's Python.
set(CELLBLOCK_KERNEL_PYTHON /usr/bin/python3 CACHE STRING "The Python of the packaged kernelspec")
if(SKBUILD)
  set(program "{resource_dir}/../../../../${CMAKE_INSTALL_BINDIR}/cellblock")
  set(python_arguments "")
else()
  set(program "\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_BINDIR}/cellblock")
  set(python_arguments ", \\\"--python\\\", \\\"${CELLBLOCK_KERNEL_PYTHON}\\\"")
endif()
install(CODE "
  set(program \"${program}\")
  set(python_arguments \"${python_arguments}\")
  configure_file(\"${CMAKE_SOURCE_DIR}/share/jupyter/kernels/cellblock/kernel.json.in\"
                 \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${kernelspec}/kernel.json\" @ONLY)" COMPONENT program)
