import 'reflect-metadata';
import * as x509 from '@peculiar/x509';
import { randomBytes, webcrypto, X509Certificate } from 'node:crypto';
import { chmod, mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { type Certificates, certificatesIn } from './test-certificates.js';

const DAY_MS = 86_400_000;
const AUTHORITY_DAYS = 3_650;
const LEAF_DAYS = 90;
/** Renewed when less than this is left. */
const RENEW_DAYS = 30;
/** For clocks that are a little behind. */
const BACKDATE_MS = 3_600_000;
const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const { subtle } = webcrypto;

interface Identity {
  readonly pem: string;
  readonly keys: webcrypto.CryptoKeyPair;
}

/** How long the certificates last; for tests of their renewal. */
export interface CertificateOptions {
  readonly leafMs?: number;
  readonly renewMs?: number;
}

/**
 * A local certificate authority and one certificate per service: common name = the service, valid for its name and
 * for localhost, as server and as client. What is in the folder and still valid is kept; a renewal keeps the key.
 */
export async function makeCertificates(
  dir: string,
  services: readonly string[],
  options: CertificateOptions = {},
): Promise<Certificates> {
  const folder = resolve(dir);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await chmod(folder, 0o700);
  const authority = await ensureAuthority(folder);
  for (const service of services) await ensureLeaf(folder, service, authority, options);
  return certificatesIn(folder, services);
}

async function ensureAuthority(folder: string): Promise<Identity> {
  const [certFile, keyFile] = [join(folder, 'ca.crt'), join(folder, 'ca.key')];
  const [pem, known] = [await readText(certFile), await readKey(keyFile)];
  if (pem !== undefined && known !== undefined && isLasting(pem, RENEW_DAYS * DAY_MS))
    return { pem, keys: known };
  const keys = known ?? (await makeKey(keyFile));
  const certificate = await x509.X509CertificateGenerator.createSelfSigned(
    {
      serialNumber: serialNumber(),
      name: 'CN=Posthorn local authority',
      ...validity(AUTHORITY_DAYS * DAY_MS),
      signingAlgorithm: ALGORITHM,
      keys,
      extensions: [
        new x509.BasicConstraintsExtension(true, 0, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      ],
    },
    webcrypto as never,
  );
  await write(certFile, certificate.toString('pem'));
  return { pem: certificate.toString('pem'), keys };
}

async function ensureLeaf(
  folder: string,
  service: string,
  authority: Identity,
  options: CertificateOptions,
): Promise<void> {
  const [certFile, keyFile] = [join(folder, `${service}.crt`), join(folder, `${service}.key`)];
  const [pem, known] = [await readText(certFile), await readKey(keyFile)];
  const isKept =
    pem !== undefined &&
    known !== undefined &&
    isLasting(pem, options.renewMs ?? RENEW_DAYS * DAY_MS) &&
    new X509Certificate(pem).verify(new X509Certificate(authority.pem).publicKey);
  if (isKept) return;
  const keys = known ?? (await makeKey(keyFile));
  const issuer = new x509.X509Certificate(authority.pem);
  const certificate = await x509.X509CertificateGenerator.create(
    {
      serialNumber: serialNumber(),
      subject: `CN=${service}`,
      issuer: issuer.subject,
      ...validity(options.leafMs ?? LEAF_DAYS * DAY_MS),
      signingAlgorithm: ALGORITHM,
      publicKey: keys.publicKey,
      signingKey: authority.keys.privateKey,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension([
          x509.ExtendedKeyUsage.serverAuth,
          x509.ExtendedKeyUsage.clientAuth,
        ]),
        new x509.SubjectAlternativeNameExtension([
          { type: 'dns', value: service },
          { type: 'dns', value: 'localhost' },
          { type: 'ip', value: '127.0.0.1' },
        ]),
        await x509.AuthorityKeyIdentifierExtension.create(issuer.publicKey, false, webcrypto as never),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      ],
    },
    webcrypto as never,
  );
  await write(certFile, certificate.toString('pem'));
}

const validity = (ms: number): { notBefore: Date; notAfter: Date } => {
  const now = Date.now();
  return { notBefore: new Date(now - BACKDATE_MS), notAfter: new Date(now + ms) };
};

const isLasting = (pem: string, ms: number): boolean =>
  new Date(new X509Certificate(pem).validTo).getTime() > Date.now() + ms;

/** Positive, 16 bytes. Source: RFC 5280, section 4.1.2.2. */
const serialNumber = (): string => `4${randomBytes(16).toString('hex').slice(1)}`;

async function makeKey(file: string): Promise<webcrypto.CryptoKeyPair> {
  const keys = await subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const pkcs8 = Buffer.from(await subtle.exportKey('pkcs8', keys.privateKey)).toString('base64');
  const lines = pkcs8.match(/.{1,64}/g)!.join('\n');
  await write(file, `-----BEGIN PRIVATE KEY-----\n${lines}\n-----END PRIVATE KEY-----\n`);
  return keys;
}

async function readKey(file: string): Promise<webcrypto.CryptoKeyPair | undefined> {
  const pem = await readText(file);
  if (pem === undefined) return undefined;
  const pkcs8 = Buffer.from(pem.replace(/-----[^-]+-----|\s/g, ''), 'base64');
  const privateKey = await subtle.importKey('pkcs8', pkcs8, ALGORITHM, true, ['sign']);
  const { kty, crv, x, y } = await subtle.exportKey('jwk', privateKey);
  const publicKey = await subtle.importKey('jwk', { kty, crv, x, y }, ALGORITHM, true, ['verify']);
  return { privateKey, publicKey };
}

const readText = (file: string): Promise<string | undefined> => readFile(file, 'utf8').catch(() => undefined);

/** All of it or nothing: servers read these files again while they change. */
async function write(file: string, text: string): Promise<void> {
  await writeFile(`${file}.new`, text, { mode: 0o600 });
  await rename(`${file}.new`, file);
}
