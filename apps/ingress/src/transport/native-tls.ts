import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { type Server, type Socket } from 'node:net';
import { createServer, type SecureContextOptions, type TLSSocket } from 'node:tls';
import { AppError } from '@posthorn/errors/app-error.js';
import { type Logger } from '@posthorn/server/logger.js';

/** Files in PEM; empty texts: the port speaks plain HTTP. */
export interface NativeTlsFiles {
  readonly certFile: string;
  readonly keyFile: string;
  /** Of the authorities whose client certificates count; empty: none is asked for. */
  readonly clientCaFile: string;
}

const REFRESH_MS = 5_000;
const HANDSHAKE_TIMEOUT_MS = 10_000;

const certificates = new WeakMap<Socket, Buffer>();

/** DER of the certificate that the client of a connection has proven to have; undefined when it showed none that counts. */
export const clientCertificateOf = (socket: Socket): Buffer | undefined => certificates.get(socket);

/**
 * Makes a server of HTTP speak TLS 1.2 and newer on its port, with certificates that are read again when their files
 * change.
 * Why in front of its connections and not as an HTTPS server: the server that runs every service knows plain HTTP
 * only, and treats a connection alike once its handshake is done.
 * @throws AppError `config.invalid` when the files are missing or do not fit each other.
 */
export function speakTls(
  server: Server,
  files: NativeTlsFiles,
  log: Pick<Logger, 'info' | 'warn'>,
  refreshMs = REFRESH_MS,
): void {
  if (files.certFile === '' && files.keyFile === '' && files.clientCaFile === '') return;
  let fingerprint = '';
  let context: SecureContextOptions;
  try {
    fingerprint = fingerprintOf(files);
    context = contextOf(files);
  } catch (cause) {
    throw new AppError('config.invalid', {
      detail:
        'INTAKE_TLS_CERT_FILE and INTAKE_TLS_KEY_FILE must name a certificate and its key, INTAKE_CLIENT_CA_FILE authorities',
      cause,
    });
  }
  const secure = createServer({
    ...context,
    ALPNProtocols: ['http/1.1'],
    handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
    requestCert: files.clientCaFile !== '',
    // Most providers have no certificate; whether one is needed, its source says.
    rejectUnauthorized: false,
  });
  const takers = server.listeners('connection') as ((socket: Socket) => void)[];
  server.removeAllListeners('connection');
  server.on('connection', (socket: Socket) => secure.emit('connection', socket));
  secure.on('secureConnection', (socket: TLSSocket) => {
    if (socket.authorized) certificates.set(socket, socket.getPeerCertificate().raw);
    for (const take of takers) take.call(server, socket);
  });
  secure.on('tlsClientError', (_error, socket) => socket.destroy());
  const timer = setInterval(() => {
    try {
      const seen = fingerprintOf(files);
      if (seen === fingerprint) return;
      secure.setSecureContext(contextOf(files));
      fingerprint = seen;
      log.info({ stage: 'tls' }, 'the certificate of the intake was read again');
    } catch {
      // Half-written, or gone for a moment: the former goes on, the next round looks again.
    }
  }, refreshMs).unref();
  server.once('close', () => clearInterval(timer));
}

function contextOf({ certFile, keyFile, clientCaFile }: NativeTlsFiles): SecureContextOptions {
  const [cert, key] = [readFileSync(certFile), readFileSync(keyFile)];
  if (!new X509Certificate(cert).checkPrivateKey(createPrivateKey(key)))
    throw new Error('the key is not the one of the certificate');
  const ca = clientCaFile === '' ? undefined : readFileSync(clientCaFile);
  if (ca !== undefined) void new X509Certificate(ca);
  return { cert, key, minVersion: 'TLSv1.2', ...(ca !== undefined && { ca }) };
}

/** Replaced files have another inode, rewritten ones another time. */
const fingerprintOf = (files: NativeTlsFiles): string =>
  Object.values(files)
    .filter((file: string) => file !== '')
    .map((file: string) => {
      const { ino, mtimeMs, size } = statSync(file);
      return `${ino}:${mtimeMs}:${size}`;
    })
    .join();
