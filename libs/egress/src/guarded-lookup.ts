import { lookup, type LookupAddress } from 'node:dns';
import { type LookupFunction } from 'node:net';
import { AppError } from '@posthorn/errors/app-error.js';
import { type AddressRules, isAddressAllowed } from './public-address.js';

/** Every address of a name. */
export type ResolveAll = (
  hostname: string,
  family: number,
  callback: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void;

/** The operating system's resolver. */
export const systemResolve: ResolveAll = (hostname, family, callback) =>
  lookup(hostname, { all: true, family }, callback);

/**
 * The lookup of each new connection: refuses a name unless every address of it may be called.
 * Why here: the address that was judged is the one that is connected to; nothing asks the resolver again
 * in between, so a name that changes its mind (DNS rebinding) gains nothing.
 */
export function guardedLookup(rules: AddressRules, resolve: ResolveAll): LookupFunction {
  return (hostname, options, callback) => {
    const family = options.family === 'IPv4' ? 4 : options.family === 'IPv6' ? 6 : (options.family ?? 0);
    resolve(hostname, family, (error, addresses) => {
      if (error !== null) return callback(error, '', 0);
      const [first] = addresses;
      if (first === undefined || !addresses.every(({ address }) => isAddressAllowed(address, rules))) {
        const refusal = new AppError('egress.address_forbidden', { detail: 'the name is not public' });
        return callback(refusal, '', 0);
      }
      if (options.all === true) callback(null, addresses);
      else callback(null, first.address, first.family);
    });
  };
}
