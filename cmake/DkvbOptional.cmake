# Defines an option for each optional part of a build, which is ON if what the part needs was found. A part whose needs
# are missing is left out, with a line that names the package to install; if the part is requested by -DNAME=ON, this is
# an error.
#
#   dkvb_optional(NAME FOUND PURPOSE PACKAGE)     FOUND: the variable that says whether it is there
set(dkvb_left_out "" CACHE INTERNAL "What this build does without, for the summary")
function(dkvb_optional name found purpose package)
  if(${found})
    set(default ON)
  else()
    set(default OFF)
  endif()
  option(${name} "${purpose}" ${default})
  if(${name} AND NOT ${found})
    message(FATAL_ERROR "${name} is ON, and what it needs was not found: install it (Debian: ${package}), or configure "
      "with -D${name}=OFF")
  elseif(NOT ${name})
    if(default)
      set(why "${name} is OFF")
    else()
      set(why "not found. Debian has it in ${package}: install it and configure with -D${name}=ON")
    endif()
    set(dkvb_left_out "${dkvb_left_out};${purpose}: ${why}" CACHE INTERNAL "")
  endif()
endfunction()

# Prints one line for each part that is left out, at the end of configuring.
function(dkvb_summary)
  foreach(line IN LISTS dkvb_left_out)
    if(line)
      message(STATUS "left out: ${line}")
    endif()
  endforeach()
endfunction()
