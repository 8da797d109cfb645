import { readFileSync } from 'node:fs';
import type { ConnectionOptions } from 'node:tls';
import { AppError } from '@posthorn/errors/app-error.js';

const DEFAULT_PORT = 5432;

/** Where a server is, without who asks. */
export interface ConnectionTarget {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly ssl: ConnectionOptions | false;
}

/** Who the URL says that asks. */
export interface ConnectionLogin {
  readonly user: string;
  readonly password: string;
}

/**
 * Reads `postgresql://user:password@host:port/database?sslmode=…&sslrootcert=…`.
 * `sslmode` is disable (the default), require (encrypted; the certificate is checked only when `sslrootcert`
 * is given) or verify-full.
 * @throws AppError `config.invalid` without the URL in it: it may hold a password.
 * Source: libpq's documentation, "SSL Support", read 2026-11.
 */
export function parseConnectionUrl(text: string): ConnectionTarget & ConnectionLogin {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw new AppError('config.invalid', { detail: 'the database URL cannot be parsed' });
  }
  const database = decodeURIComponent(url.pathname.slice(1));
  if (!/^postgres(ql)?:$/.test(url.protocol) || url.hostname === '' || database === '') {
    throw new AppError('config.invalid', {
      detail: 'the database URL must be postgresql://user@host:port/database',
    });
  }
  return {
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? DEFAULT_PORT : Number(url.port),
    database,
    user: decodeURIComponent(url.username),
    password: decodeURIComponent(url.password),
    ssl: sslOf(url.searchParams),
  };
}

function sslOf(params: URLSearchParams): ConnectionOptions | false {
  const mode = params.get('sslmode') ?? 'disable';
  const caFile = params.get('sslrootcert');
  if (mode === 'disable') return false;
  if (mode !== 'require' && mode !== 'verify-full') {
    throw new AppError('config.invalid', { detail: 'sslmode must be disable, require or verify-full' });
  }
  return {
    rejectUnauthorized: mode === 'verify-full' || caFile !== null,
    ...(caFile !== null && { ca: readFileSync(caFile, 'utf8') }),
  };
}
