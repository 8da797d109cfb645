import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { splitListen } from './health-server.js';

/**
 * The place that a process has while it listens on an address, as text: who listens there later knows that whoever had
 * the same seat before is gone, because the kernel gives an address of a network namespace to one process at a time.
 * The host's name is part of it for sandboxes whose kernels all tell the same namespace.
 * @param listen host:port that this process has bound.
 * @returns undefined when that does not tell: any port (0), or a system that does not name its network namespaces.
 */
export function seatOf(listen: string): string | undefined {
  const { host, port } = splitListen(listen);
  if (port === 0) return undefined;
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    return [hostname(), boot, readlinkSync('/proc/self/ns/net'), `${host}:${port}`].join(' ');
  } catch {
    return undefined;
  }
}
