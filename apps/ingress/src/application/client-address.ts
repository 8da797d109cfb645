import { isIP } from 'node:net';
import { plainAddress, type AddressList } from './address-list.js';

/** Which proxies may say for whom they forward. */
export interface ProxyTrust {
  /** Their addresses. */
  readonly proxies: AddressList;
  /** Or how many of them always stand in front; 0 = judged by address. */
  readonly hops: number;
}

/**
 * The address of the client: the nearest one in the chain that is not a trusted proxy.
 * @param remoteAddress of the socket. @param forwardedFor values of X-Forwarded-For, in order.
 * Why from the right: a client can put anything to the left of what the first trusted proxy appends.
 */
export function clientAddress(
  remoteAddress: string,
  forwardedFor: readonly string[],
  trust: ProxyTrust,
): string {
  const remote = plainAddress(remoteAddress);
  if (forwardedFor.length === 0 || (trust.hops === 0 && trust.proxies.isEmpty)) return remote;
  const chain = [
    ...forwardedFor
      .join(',')
      .split(',')
      .map((each) => plainAddress(each.trim())),
    remote,
  ];
  if (trust.hops > 0) {
    const address = chain[chain.length - 1 - trust.hops];
    return address !== undefined && isIP(address) !== 0 ? address : remote;
  }
  let at = chain.length - 1;
  while (at > 0 && trust.proxies.has(chain[at]!)) at -= 1;
  // An entry that is no address was made up; the proxy that passed it on is as far as can be known.
  return isIP(chain[at]!) !== 0 ? chain[at]! : chain[at + 1]!;
}

/** Whether the peer of the socket may speak for the client's scheme and host. */
export const isTrustedPeer = (remoteAddress: string, trust: ProxyTrust): boolean =>
  trust.hops > 0 || trust.proxies.has(remoteAddress);
