//! A connection with other settings for a while.

/// `ScopedSettings`, and what makes one of a connection.
macro_rules! scoped_settings {
    () => {
        impl Connection {
            /// The same connection with other timeouts, for as long as the value lives: for
            /// one call, if the call is made on the value itself.
            pub fn scoped_timeouts(&mut self, timeouts: $crate::Timeouts) -> ScopedSettings<'_> {
                let usual = (self.timeouts, self.sending);
                self.timeouts = timeouts;
                ScopedSettings { connection: self, usual }
            }

            /// How messages are sent, to look at or to change for all that follow.
            pub fn sending_mut(&mut self) -> &mut $crate::Sending {
                &mut self.sending
            }

            /// The same connection sending in this way, for as long as the value lives: for
            /// one message, if it is sent on the value itself.
            pub fn scoped_sending(&mut self, sending: $crate::Sending) -> ScopedSettings<'_> {
                let usual = (self.timeouts, self.sending);
                self.sending = sending;
                ScopedSettings { connection: self, usual }
            }
        }

        /// A connection with other settings for a while; dropping this restores the usual ones.
        #[derive(Debug)]
        pub struct ScopedSettings<'c> {
            connection: &'c mut Connection,
            usual: ($crate::Timeouts, $crate::Sending),
        }

        impl std::ops::Deref for ScopedSettings<'_> {
            type Target = Connection;

            fn deref(&self) -> &Connection {
                self.connection
            }
        }

        impl std::ops::DerefMut for ScopedSettings<'_> {
            fn deref_mut(&mut self) -> &mut Connection {
                self.connection
            }
        }

        impl Drop for ScopedSettings<'_> {
            fn drop(&mut self) {
                (self.connection.timeouts, self.connection.sending) = self.usual;
            }
        }
    };
}

pub(crate) use scoped_settings;
