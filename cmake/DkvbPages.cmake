# Man pages and completions, printed by the tool itself from the tables that its --help prints:
#   cmake -DTOOL="[EMULATOR;]DKVB" -DTO=FOLDER -P DkvbPages.cmake
# Folders: man1/, and bash/, zsh/, fish/ with the names under which shells look for them.
function(print_page file)
  execute_process(COMMAND ${TOOL} help ${ARGN} OUTPUT_FILE ${TO}/${file} RESULT_VARIABLE result)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "dkvb help ${ARGN}: exit code ${result}")
  endif()
endfunction()

file(REMOVE_RECURSE ${TO})
file(MAKE_DIRECTORY ${TO}/man1 ${TO}/bash ${TO}/zsh ${TO}/fish)
print_page(bash/dkvb --completion bash)
print_page(zsh/_dkvb --completion zsh)
print_page(fish/dkvb.fish --completion fish)
print_page(man1/dkvb.1 --man)
file(STRINGS ${TO}/man1/dkvb.1 lines REGEX "^\\.BR dkvb.*\\(1\\)$")
list(REMOVE_DUPLICATES lines)
foreach(line IN LISTS lines)
  if(line MATCHES "^\\.BR dkvb\\\\-([a-z-]+) ")
    print_page(man1/dkvb-${CMAKE_MATCH_1}.1 --man ${CMAKE_MATCH_1})
  endif()
endforeach()
file(TOUCH ${TO}/done)
