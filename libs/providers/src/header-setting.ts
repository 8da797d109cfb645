import { z } from 'zod';
import type { ProviderRequest } from './provider-request.js';
import { REPEATED } from './request-headers.js';

/** The setting of a header's name; lower case once read. Source: RFC 9110, section 5.6.2. */
export const headerName = z
  .string()
  .regex(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,64}$/, 'expected a header name')
  .transform((name) => name.toLowerCase());

/** The value of a header that stands once; undefined when it is missing or stands twice. */
export function singleHeader(request: ProviderRequest, name: string): string | undefined {
  const value = request.headers.one(name);
  return value === REPEATED ? undefined : value;
}
