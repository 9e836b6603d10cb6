/* Says `ready`, then echoes what it reads, byte by byte. */
#include <unistd.h>

int main(void)
{
	char byte;

	write(1, "ready\n", 6);
	while (read(0, &byte, 1) == 1)
		write(1, &byte, 1);
	return 0;
}
