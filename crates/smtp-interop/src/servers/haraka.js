// Knows the accounts, and stores each message as it came: NAME.eml, and its recipients in NAME.to.
const fs = require('fs')
const folder = 'FOLDER'
const users = USERS
let count = 0

exports.register = function () {
  this.inherits('auth/auth_base')
}

exports.hook_capabilities = (next, connection) => {
  const methods = ['PLAIN', 'LOGIN', 'CRAM-MD5']
  connection.capabilities.push('AUTH ' + methods.join(' '))
  connection.notes.allowed_auth_methods = methods
  next()
}

exports.get_plain_passwd = (user, connection, done) => done(users[user])

exports.hook_rcpt = (next, connection, [recipient]) => {
  recipient.user.startsWith('nosuch') ? next(DENY, 'No such user') : next(OK)
}

exports.hook_queue = (next, connection) => {
  const { rcpt_to, message_stream } = connection.transaction
  const name = `${folder}/${count++}`
  fs.writeFileSync(name + '.to', rcpt_to.map(one => `${one.user}@${one.host}\n`).join(''))
  const file = fs.createWriteStream(name + '.part')
  file.on('close', () => {
    fs.renameSync(name + '.part', name + '.eml')
    next(OK, 'Stored')
  })
  message_stream.pipe(file, { line_endings: '\r\n', dot_stuffing: false })
}

// For clients that have logged in.
exports.hook_queue_outbound = exports.hook_queue
