/* A minimal program that uses libdkvb-mpi without the headers of MPI: before MPI_Init() a group of ranks is refused
 * with a message. The program returns 0 if the group is refused. */
#include <stdio.h>
#include <string.h>

#include <dkvb/mpi.h>

int main(void)
{
    dkvb_mpi *job = NULL;
    int fine = dkvb_mpi_new(&job, 0, NULL) == DKVB_ESTATE && !job && strstr(dkvb_mpi_error(), "MPI_Init") != NULL;

    printf("libdkvb-mpi: %s\n", fine ? "fine" : dkvb_mpi_error());
    dkvb_mpi_free(NULL);
    return fine ? 0 : 1;
}
