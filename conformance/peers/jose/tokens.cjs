// npm's jose as a maker of tokens, and as a server of key sets: see ../README.md.

const { createServer } = require('node:http');
const { createHmac, randomBytes } = require('node:crypto');

const RSA = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'];
const ALGORITHMS = ['HS256', 'HS384', 'HS512', ...RSA, 'ES256', 'ES384', 'EdDSA'];

const base64url = (value) => Buffer.from(value).toString('base64url');
const now = Math.floor(Date.now() / 1000);
const good = { sub: 'alice', iss: 'https://id.example', aud: ['chat', 'mail'], iat: now, nbf: now - 1, exp: now + 600 };

async function load() {
  const directory = process.env.NODE_PATH;
  return import(require('node:url').pathToFileURL(require.resolve('jose', { paths: [directory] })));
}

async function make(jose, algorithm) {
  if (algorithm.startsWith('HS')) {
    const secret = randomBytes(64).toString('base64url');
    return { secret, sign: Buffer.from(secret) };
  }
  const { publicKey, privateKey } = await jose.generateKeyPair(algorithm, { extractable: true });
  return { publicKey, sign: privateKey };
}

async function tokens(jose) {
  const made = Object.fromEntries(await Promise.all(ALGORITHMS.map(async (algorithm) => [algorithm, await make(jose, algorithm)])));
  const keys = [];
  for (const [algorithm, { secret, publicKey }] of Object.entries(made)) {
    const key = secret ? { secret } : { jwk: JSON.stringify({ ...(await jose.exportJWK(publicKey)), use: 'sig' }) };
    keys.push({ kid: `kid-${algorithm}`, algorithm, ...key });
  }
  const list = [];
  const add = (name, token, cause = null) => list.push({ name, token, cause });
  const signed = (algorithm, claims = good, { key = made[algorithm].sign, kid = `kid-${algorithm}`, ...header } = {}) =>
    new jose.SignJWT(claims).setProtectedHeader({ alg: algorithm, ...(kid && { kid }), ...header }).sign(key);
  const without = (name) => Object.fromEntries(Object.entries(good).filter(([claim]) => claim !== name));

  for (const algorithm of ALGORITHMS) {
    const token = await signed(algorithm);
    const [head, claims, signature] = token.split('.');
    add(algorithm, token);
    add(`${algorithm} without kid`, await signed(algorithm, good, { kid: null }));
    const forged = base64url(JSON.stringify({ ...good, sub: 'mallory' }));
    add(`${algorithm}, forged claims`, `${head}.${forged}.${signature}`, 'token-signature');
    add(`${algorithm} by another key`, await signed(algorithm, good, { key: (await make(jose, algorithm)).sign }), 'token-signature');
    add(`${algorithm} without a signature`, `${head}.${claims}.`, 'token-signature');
    add(`${algorithm}, expired`, await signed(algorithm, { ...good, exp: now - 60 }), 'token-expired');
    add(`${algorithm}, an unknown key`, await signed(algorithm, good, { kid: 'unknown' }), 'token-key-unknown');
  }
  add('of tomorrow', await signed('ES256', { ...good, nbf: now + 86400 }), 'token-not-yet-valid');
  add('for somebody else', await signed('ES256', { ...good, aud: 'mail' }), 'token-audience');
  add('for nobody', await signed('ES256', without('aud')), 'token-audience');
  add('from somebody else', await signed('ES256', { ...good, iss: 'https://evil.example' }), 'token-issuer');
  add('without a user', await signed('ES256', without('sub')), 'token-claim-missing');
  add('none by jose', new jose.UnsecuredJWT(good).encode(), 'token-algorithm');

  const start = `${base64url(JSON.stringify({ alg: 'HS256', kid: 'kid-RS256' }))}.${base64url(JSON.stringify(good))}`;
  const pem = await jose.exportSPKI(made.RS256.publicKey);
  add("RS256's public key as a secret", `${start}.${createHmac('sha256', pem).update(start).digest('base64url')}`, 'token-algorithm');
  const jwk = await jose.exportJWK((await make(jose, 'ES256')).publicKey);
  add('a key that it brings along', await signed('ES256', good, { key: (await make(jose, 'ES256')).sign, jwk }), 'token-signature');
  add('ES512', await signed('ES512', good, { key: (await make(jose, 'ES512')).sign }), 'token-algorithm');
  add('an unencoded payload', await new jose.CompactSign(Buffer.from('x')).setProtectedHeader({ alg: 'ES256', b64: true, crit: ['b64'] })
    .sign(made.ES256.sign), 'token-malformed');
  const encrypted = new jose.EncryptJWT(good).setProtectedHeader({ alg: 'dir', enc: 'A256GCM' });
  add('an encrypted one', await encrypted.encrypt(randomBytes(32)), 'token-malformed');
  add('huge', await signed('ES256', { ...good, pad: 'x'.repeat(9000) }), 'token-too-long');
  console.log(JSON.stringify({ keys, tokens: list }));
}

// Serves one new key and prints a token of it, `token KID TOKEN`; the address stays the same when a port is given.
async function serve(jose, port) {
  const kid = randomBytes(8).toString('hex');
  const { publicKey, sign } = await make(jose, 'ES256');
  const jwk = { ...(await jose.exportJWK(publicKey)), kid, alg: 'ES256', use: 'sig' };
  const answer = JSON.stringify({ keys: [jwk] });
  let asked = 0;
  const server = createServer((_, response) => {
    console.log(`asked ${(asked += 1)}`);
    response.setHeader('Content-Type', 'application/jwk-set+json').setHeader('Cache-Control', 'max-age=3600').end(answer);
  });
  const signed = (kid) => new jose.SignJWT(good).setProtectedHeader({ alg: 'ES256', kid }).sign(sign);
  server.listen(Number(port), '127.0.0.1', async () => {
    console.log(`token ${await signed(kid)}`);
    console.log(`unknown ${await signed('unknown')}`);
    console.log(`listening on 127.0.0.1:${server.address().port}`);
  });
}

const [mode, ...rest] = process.argv.slice(2);
load().then((jose) => ({ tokens, serve })[mode](jose, ...rest));
