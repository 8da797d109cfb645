import { readFileSync } from 'node:fs';
import type { ConnectionOptions } from 'node:tls';
import { AppError } from '@posthorn/errors/app-error.js';

const DEFAULT_PORT = 5432;
const THIS_MACHINE = /^(localhost|127(\.\d{1,3}){3}|::1)$/;

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
 * `sslmode` is disable (the default on this machine; elsewhere it must be said), require (encrypted; the certificate
 * is checked only when `sslrootcert` is given) or verify-full. The file of `sslrootcert` is read for each connection.
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
  const host = url.hostname.replace(/^\[|\]$/g, '');
  return {
    host,
    port: url.port === '' ? DEFAULT_PORT : Number(url.port),
    database,
    user: decodeURIComponent(url.username),
    password: decodeURIComponent(url.password),
    ssl: sslOf(url.searchParams, host),
  };
}

function sslOf(params: URLSearchParams, host: string): ConnectionOptions | false {
  const mode = params.get('sslmode') ?? (THIS_MACHINE.test(host) ? 'disable' : '');
  const caFile = params.get('sslrootcert');
  if (mode === 'disable') return false;
  if (mode === '') {
    throw new AppError('config.invalid', {
      detail:
        'the URL of Postgres on another machine must say sslmode: verify-full, require, or disable to go without TLS',
    });
  }
  if (mode !== 'require' && mode !== 'verify-full') {
    throw new AppError('config.invalid', { detail: 'sslmode must be disable, require or verify-full' });
  }
  // pg itself says which name or address the certificate must carry.
  const options = { rejectUnauthorized: mode === 'verify-full' || caFile !== null };
  return caFile === null ? options : withAuthorities(options, caFile);
}

/**
 * Makes `ca` a property that is read whenever a connection begins, so that an authority can be replaced without a restart.
 * Why it keeps the last text: the file may be away for a moment while it is replaced.
 */
function withAuthorities(options: ConnectionOptions, file: string): ConnectionOptions {
  let last: string;
  try {
    last = readFileSync(file, 'utf8');
  } catch (cause) {
    throw new AppError('config.invalid', { detail: 'the file of sslrootcert cannot be read', cause });
  }
  return Object.defineProperty(options, 'ca', {
    enumerable: true,
    get: () => {
      try {
        last = readFileSync(file, 'utf8');
      } catch {
        // keeps what it has
      }
      return last;
    },
  });
}
