import { BlockList, isIPv6 } from 'node:net';

const MAPPED = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i;

/** IPv4 inside IPv6 (`::ffff:1.2.3.4`, what a dual-stack socket reports) as IPv4. */
export const plainAddress = (address: string): string => MAPPED.exec(address)?.[1] ?? address;

/** Addresses and CIDR ranges, v4 and v6. */
export class AddressList {
  private readonly list = new BlockList();
  readonly isEmpty: boolean;

  constructor(entries: readonly string[]) {
    this.isEmpty = entries.length === 0;
    for (const entry of entries) {
      const [address, bits] = entry.split('/') as [string, string | undefined];
      const family = isIPv6(address) ? 'ipv6' : 'ipv4';
      if (bits === undefined) this.list.addAddress(address, family);
      else this.list.addSubnet(address, Number(bits), family);
    }
  }

  /** @returns false also for a text that is no address. */
  has(address: string): boolean {
    const plain = plainAddress(address);
    return this.list.check(plain, isIPv6(plain) ? 'ipv6' : 'ipv4');
  }
}
