// nodemailer's smtp-server, storing each message as it came: NAME.eml, and its recipients in NAME.to.
const fs = require('fs')
const path = require('path')
const [folder, chain, key, size, modules, smtp, tls, idle, lmtp, socket] = process.argv.slice(2)
const { SMTPServer } = require(path.join(modules, 'smtp-server'))

const lines = fs.readFileSync(path.join(folder, 'users'), 'utf8').split('\n').filter(Boolean)
const users = Object.fromEntries(lines.map(line => line.split('\t')))
const token = fs.readFileSync(path.join(folder, 'token'), 'utf8')
let count = 0

const refusal = (code, text) => Object.assign(new Error(text), { responseCode: code })

const base = {
  name: 'mx.interop.test',
  key: fs.readFileSync(key),
  cert: fs.readFileSync(chain),
  size: +size,
  authOptional: true,
  authMethods: ['PLAIN', 'LOGIN', 'CRAM-MD5', 'XOAUTH2'],
  useXClient: true,
  useXForward: true,
  disableReverseLookup: true,
  onAuth (auth, session, done) {
    const password = users[auth.username]
    const proofs = {
      'CRAM-MD5': () => auth.validatePassword(password),
      XOAUTH2: () => auth.accessToken === token
    }
    const isRight = password !== undefined && (proofs[auth.method] ?? (() => auth.password === password))()
    isRight ? done(null, { user: auth.username }) : done(refusal(535, '5.7.8 Wrong user name or password'))
  },
  onRcptTo (address, session, done) {
    done(address.address.startsWith('nosuch') ? refusal(550, '5.1.1 No such user') : null)
  }
}

function serve (store, options, ...place) {
  const onData = (stream, session, done) => {
    const name = path.join(folder, store, String(count++))
    const file = fs.createWriteStream(name + '.part')
    stream.pipe(file)
    file.on('finish', () => {
      if (stream.sizeExceeded) {
        fs.unlinkSync(name + '.part')
        return done(refusal(552, '5.3.4 Message too large'))
      }
      const recipients = session.envelope.rcptTo.map(one => one.address)
      fs.writeFileSync(name + '.to', recipients.map(one => one + '\n').join(''))
      fs.renameSync(name + '.part', name + '.eml')
      done(null, options.lmtp ? recipients.map(() => '2.0.0 Stored') : '2.0.0 Stored')
    })
  }
  const server = new SMTPServer({ ...base, ...options, onData })
  server.on('error', error => console.error(String(error)))
  server.listen(...place)
}

serve('smtp', {}, +smtp, '127.0.0.1')
serve('smtp', { secure: true }, +tls, '127.0.0.1')
serve('smtp', { socketTimeout: 2000 }, +idle, '127.0.0.1')
serve('lmtp', { lmtp: true, disabledCommands: ['AUTH'] }, +lmtp, '127.0.0.1')
if (fs.existsSync(socket)) fs.unlinkSync(socket)
serve('lmtp', { lmtp: true, disabledCommands: ['AUTH'] }, socket)
